import type { SettleDeps } from '../core/bookings/settle-hold.ts';
import { settleHolds } from '../core/bookings/settle-holds.ts';
import { clocksAgree } from '../db/clocks.ts';
import { expireOverdueHolds, findOverdueHolds } from '../db/overdue-holds.ts';
import { settleBoundMs, sweepDelayMs } from '../domain/limits.ts';

const expireMax = 100;
const settleMax = 20;
const everyMs = 1_000;
const againMs = 100;

/**
 * Settles holds that their workflow has not settled in time, so that the promise of a free slot holds while
 * Temporal or the worker is down, or behind. Several may run. Those that nobody began to pay for are many and expire
 * together; the others are settled a few at a time, with Stripe. While it finds any it looks again soon: a thousand
 * that lapse together must not wait for each other.
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
      deps.log.warn({ err: error }, 'overdue holds could not be looked for');
    }
    if (running) timer = setTimeout(() => (round = sweep()), more ? againMs : everyMs);
  }

  /** @returns whether there were any */
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
      timer = setTimeout(() => (round = sweep()), everyMs * Math.random());
    },
    async stop(): Promise<void> {
      running = false;
      clearTimeout(timer);
      await round;
    },
  };
}
