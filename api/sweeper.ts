import type { SettleDeps } from '../core/bookings/settle-hold.ts';
import { settleHolds } from '../core/bookings/settle-holds.ts';
import { clocksAgree } from '../db/clocks.ts';
import { expireOverdueHolds, findOverdueHolds } from '../db/overdue-holds.ts';
import { settleBoundMs, sweepDelayMs } from '../domain/limits.ts';

const expireMax = 100;
const settleMax = 20;
const roundEveryMs = 1_000;
const nextRoundMs = 100;

/**
 * Settles overdue holds that their workflow has not settled in time, so that slots become free even while Temporal or
 * the worker is down or behind. Each API process may run one. Holds without a PaymentIntent expire together in one
 * statement; the others are settled with Stripe, a few at a time. After a round that found any the next one follows
 * soon, so that a thousand holds that lapse together do not wait long for each other.
 */
export function createSweeper(deps: SettleDeps) {
  let timer: NodeJS.Timeout | undefined;
  let running = false;
  let round: Promise<void> = Promise.resolve();

  async function sweep(): Promise<void> {
    let more = false;
    try {
      if (await clocksAgree(deps.db)) more = await settleOverdue();
    } catch (error) {
      deps.log.warn({ err: error }, 'sweep failed');
    }
    if (running) timer = setTimeout(() => (round = sweep()), more ? nextRoundMs : roundEveryMs);
  }

  /** @returns true if there were any, so that more are likely */
  async function settleOverdue(): Promise<boolean> {
    const lapsed = { lateMs: sweepDelayMs, limit: expireMax, actor: 'sweeper' };
    const expired = await expireOverdueHolds(deps.db, lapsed);
    const overdue = await findOverdueHolds(deps.db, sweepDelayMs, settleMax);
    await settleHolds(deps, overdue, { actor: 'sweeper', totalMs: settleBoundMs * 2 });
    return expired + overdue.length > 0;
  }

  return {
    start(): void {
      running = true;
      timer = setTimeout(() => (round = sweep()), roundEveryMs * Math.random());
    },
    async stop(): Promise<void> {
      running = false;
      clearTimeout(timer);
      await round;
    },
  };
}
