import { setTimeout as sleep } from 'node:timers/promises';
import type { BookingState } from '../../db/booking-state.ts';
import type { SecondClock } from '../../db/clocks.ts';
import type { Db } from '../../db/knex.ts';
import { expireHold, leaseOverdueHold, releaseHoldLease, type SettleLease } from '../../db/overdue-holds.ts';
import { findUndecidedPayments } from '../../db/payments.ts';
import { settleBoundMs, settleLeaseMs } from '../../domain/limits.ts';
import { afterAnswer, answerPatienceMs, type CloseVerdict } from '../../domain/settlement.ts';
import type { CoreDeps } from '../deps.ts';
import { closePayments } from '../payments/close-payments.ts';
import { decidePayment } from '../payments/decide-payment.ts';
import { loadBooking } from './load-booking.ts';

export type SettleDeps = Pick<CoreDeps, 'db' | 'stripe' | 'log'>;

export interface SettleRequest {
  bookingRef: string;
  /** For the audit: who settles. */
  actor: string;
  /** The clock that says so beside the database's; this process's unless given. */
  secondClock?: SecondClock;
  /** How long the caller can wait for Stripe, which is asked at least once; 0: a hold that needs Stripe stays. */
  waitMs: number;
  /** How long the caller can wait for somebody else who is settling the hold; absent: not at all. */
  waitForOthersMs?: number;
}

/** A deadline that is this near is waited for. */
const nearMs = 2_000;

/**
 * Settles an overdue hold, for its workflow or for whoever meets it first (docs/architecture.md says who). Its open
 * payments are closed at Stripe before the slot is given back: `canceled` means that no money can follow, `succeeded`
 * means confirm. Without a final answer the hold expires all the same after `settleBoundMs`, and its workflow goes on
 * closing its payments. Without an open payment Stripe has no say, and one statement settles the hold.
 *
 * Safe to call at any time, by anybody, at once: one caller holds the lease, and a hold that is not due stays.
 * @returns the booking as its row stands afterwards
 * @throws FinalFailure BookingNotFound
 */
export async function settleHold(deps: SettleDeps, request: SettleRequest): Promise<BookingState> {
  const { db } = deps;
  const { bookingRef, actor, secondClock = 'process' } = request;
  const booking = await loadBooking(db, bookingRef);
  if (booking.status !== 'pending' || booking.settleInMs > nearMs) return booking;
  await sleep(booking.settleInMs);
  const due = { ...booking, settleInMs: 0 };
  const hold = { bookingRef, actor, cause: 'unpaid', leased: false, secondClock };
  if (!booking.hasOpenPayment && (await expireHold(db, hold))) return { ...due, status: 'expired' };
  if (request.waitMs <= 0) return due;

  const lease = await leaseOverdueHold(db, bookingRef, settleLeaseMs, secondClock);
  if (lease) await settleWithStripe(deps, request, lease);
  else await waitForOthers(db, request);
  return loadBooking(db, bookingRef);
}

/** Asks Stripe until it gives a final answer, the bound is reached, or the caller can wait no longer. */
async function settleWithStripe(
  deps: SettleDeps,
  request: SettleRequest,
  { bookingId, ...hold }: SettleLease,
): Promise<void> {
  const begun = Date.now();
  const waitMs = Math.min(request.waitMs, settleBoundMs);
  for (let asked = 1; ; asked++) {
    const patienceMs = answerPatienceMs(hold, Date.now() - begun);
    const verdict = await askStripe(deps, request.bookingRef, patienceMs);
    const step = afterAnswer(hold, { verdict, asked, passedMs: Date.now() - begun, waitMs });
    switch (step.do) {
      case 'wait':
        return releaseHoldLease(deps.db, bookingId, { retryInMs: step.retryInMs, silentMs: 0 });
      case 'leave':
        return releaseHoldLease(deps.db, bookingId, { retryInMs: 0, silentMs: step.silentMs });
      case 'end':
        await sleep(step.afterMs);
        return endHold(deps, request, step.isStripeSilent);
      case 'ask':
        await sleep(step.afterMs);
    }
  }
}

/** A Stripe that hangs is not waited for any longer; what it answers later is recorded all the same. */
async function askStripe(deps: SettleDeps, bookingRef: string, patienceMs: number): Promise<CloseVerdict> {
  const silence = sleep(patienceMs, 'unknown' as const, { ref: false });
  return Promise.race([closePayments(deps, bookingRef), silence]);
}

/** Decides the money that is on record by now, which may confirm the booking, and expires it otherwise. */
async function endHold(
  { db, log }: SettleDeps,
  request: SettleRequest,
  isStripeSilent: boolean,
): Promise<void> {
  const { bookingRef, actor } = request;
  if (isStripeSilent) log.warn({ bookingRef }, 'Stripe gives no final answer; the hold expires all the same');
  const cause = isStripeSilent ? 'unpaid_stripe_silent' : 'unpaid';
  for (const paymentRef of await findUndecidedPayments(db, bookingRef)) {
    await decidePayment(db, { paymentRef, actor });
  }
  await expireHold(db, { bookingRef, actor, cause, leased: true });
}

const pollMs = 300;

/** Waits while somebody else settles the hold. */
async function waitForOthers(db: Db, { bookingRef, waitForOthersMs = 0 }: SettleRequest): Promise<void> {
  for (const begun = Date.now(); Date.now() - begun < waitForOthersMs; await sleep(pollMs)) {
    const booking = await loadBooking(db, bookingRef);
    if (booking.status !== 'pending' || booking.settleInMs > 0) return;
  }
}

/**
 * Settles a hold for a caller who waits no longer than `waitMs`; what takes longer continues in the background.
 * @returns undefined when it was not settled in time
 */
export async function settleHoldWithin(
  deps: SettleDeps,
  request: SettleRequest,
): Promise<BookingState | undefined> {
  const settled = settleHold(deps, request);
  settled.catch((error: unknown) =>
    deps.log.warn({ err: error, bookingRef: request.bookingRef }, 'an overdue hold could not be settled'),
  );
  return Promise.race([settled, sleep(request.waitMs, undefined, { ref: false })]);
}
