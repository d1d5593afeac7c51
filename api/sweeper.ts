import { type SettleDeps, settleHolds } from '../activities/settle-hold.ts';
import { expireOverdueHolds, findOverdueHolds } from '../db/overdue-holds.ts';
import {
  settleBoundMs,
  sweepAgainMs,
  sweepDelayMs,
  sweepEveryMs,
  sweepExpireMax,
  sweepSettleMax,
} from '../domain/limits.ts';

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
      const lapsed = { lateMs: sweepDelayMs, limit: sweepExpireMax, actor: 'sweeper' };
      const expired = await expireOverdueHolds(deps.db, lapsed);
      const overdue = await findOverdueHolds(deps.db, sweepDelayMs, sweepSettleMax);
      await settleHolds(deps, overdue, { actor: 'sweeper', totalMs: settleBoundMs * 2 });
      more = expired + overdue.length > 0;
    } catch (error) {
      deps.log.warn({ err: error }, 'overdue holds could not be looked for');
    }
    if (running) timer = setTimeout(() => (round = sweep()), more ? sweepAgainMs : sweepEveryMs);
  }

  return {
    start(): void {
      running = true;
      timer = setTimeout(() => (round = sweep()), sweepEveryMs * Math.random());
    },
    async stop(): Promise<void> {
      running = false;
      clearTimeout(timer);
      await round;
    },
  };
}
