import { processingGraceMs, processingPollMs, settleBoundMs } from './limits.ts';

/**
 * Stripe's word on the open payments of a hold that is being settled: `canceled` means that no money can follow,
 * `succeeded` that it was paid; `unknown` when Stripe gives no final answer.
 */
export type CloseVerdict = 'canceled' | 'succeeded' | 'processing' | 'unknown';

/** An overdue hold, as it was when the caller began to ask Stripe. */
export interface OverdueHold {
  /** How long ago its deadline passed. */
  overdueMs: number;
  /** How long Stripe had been asked before without a final answer, summed over all callers. */
  silentMs: number;
  /** How long until the stay begins. */
  startsInMs: number;
}

export interface StripeAnswer {
  verdict: CloseVerdict;
  /** How often this caller has asked by now. */
  asked: number;
  /** How long this caller has been asking. */
  passedMs: number;
  /** How long this caller can ask altogether. */
  waitMs: number;
}

/**
 * - `end`: expire the hold, or confirm it if money is on record; `isStripeSilent` when Stripe gave no final answer
 * - `wait`: nobody settles the hold before this time has passed
 * - `leave`: the caller can wait no longer; the next one goes on from `silentMs`
 * - `ask`: ask Stripe again, after a pause
 */
export type SettlementStep =
  | { do: 'end'; isStripeSilent: boolean; afterMs: number }
  | { do: 'wait'; retryInMs: number }
  | { do: 'leave'; silentMs: number }
  | { do: 'ask'; afterMs: number };

const pauseMsMin = 200;
/** The longest pause between two attempts when Stripe fails fast. */
const askPauseMsMax = 1_000;

/**
 * What follows Stripe's answer. Without a final one the hold ends after `settleBoundMs`, which counts only time spent
 * asking, summed over callers. While Stripe says `processing` the hold is kept until `processingGraceMs` after its
 * deadline, but not beyond the start of the stay.
 */
export function afterAnswer(hold: OverdueHold, answer: StripeAnswer): SettlementStep {
  const { verdict, asked, passedMs, waitMs } = answer;
  const graceLeftMs = Math.min(processingGraceMs - hold.overdueMs, hold.startsInMs) - passedMs;
  if (verdict === 'processing' && graceLeftMs > 0) {
    return { do: 'wait', retryInMs: Math.min(processingPollMs, graceLeftMs) };
  }
  if (verdict !== 'unknown') return { do: 'end', isStripeSilent: false, afterMs: 0 };

  const silentMs = hold.silentMs + passedMs;
  const leftMs = Math.max(0, settleBoundMs - silentMs);
  const pauseMs = Math.min(pauseMsMin * 2 ** (asked - 1), askPauseMsMax);
  const afterMs = Math.min(pauseMs, leftMs);
  if (leftMs > 0 && passedMs + afterMs > waitMs) return { do: 'leave', silentMs };
  // At the bound Stripe is not asked once more.
  return afterMs === leftMs ? { do: 'end', isStripeSilent: true, afterMs } : { do: 'ask', afterMs };
}

/** How long to wait for one answer: until the bound, but long enough for Stripe to answer at all. */
export function answerPatienceMs(hold: OverdueHold, passedMs: number): number {
  return Math.max(askPauseMsMax, settleBoundMs - hold.silentMs - passedMs);
}
