import { setTimeout as sleep } from 'node:timers/promises';
import { type BookingState, readBookingState } from '../../db/booking-state.ts';
import type { SecondClock } from '../../db/clocks.ts';
import type { Db } from '../../db/knex.ts';
import { decideMoney } from '../payments/decide-payment.ts';
import { expireHold, leaseOverdueHold, releaseHoldLease, type SettleLease } from '../../db/overdue-holds.ts';
import { findUndecidedPayments } from '../../db/payments.ts';
import { processingGraceMs, processingPollMs, settleBoundMs, settleLeaseMs } from '../../domain/limits.ts';
import type { BookingStatus } from '../../domain/booking.ts';
import type { ActivityDeps } from '../deps.ts';
import { type CloseVerdict, closeAllPayments } from '../stripe/intents.ts';

/** A Stripe that fails at once is asked again after a pause, which grows to this. */
const askEveryMs = 1_000;

export type SettleDeps = Pick<ActivityDeps, 'db' | 'stripe' | 'log'>;

export interface SettleRequest {
  bookingRef: string;
  /** For the audit: who settles. */
  actor: string;
  /** What says beside the database's clock that the hold has run out; this process's clock unless given. */
  secondClock?: SecondClock;
  /** How long the caller can wait for Stripe; it is asked at least once. */
  waitMs: number;
}

/**
 * Settles an overdue hold, for its workflow or for whoever meets it first (docs/architecture.md says who). The
 * PaymentIntent is cancelled before the slot is given back: `canceled` means that no money can follow, `succeeded`
 * means confirm.
 * Without a final answer for 10 s the hold expires all the same, and its workflow goes on cancelling; while Stripe
 * says `processing` the hold is kept up to 10 minutes longer, but not beyond the start of the stay. Where nobody asked for a payment Stripe has no say, and
 * one statement does.
 *
 * Safe to call at any time, by anybody, at once: one caller holds the lease, and what is not due stays.
 * @returns the booking as its row stands afterwards; undefined if there is none
 */
export async function settleHold(
  deps: SettleDeps,
  request: SettleRequest,
): Promise<BookingState | undefined> {
  if (!(await expireUnaskedHold(deps.db, request))) {
    const lease = await leaseOverdueHold(deps.db, request.bookingRef, settleLeaseMs, request.secondClock);
    if (lease) await settleLeased(deps, request, lease);
  }
  return readBookingState(deps.db, request.bookingRef);
}

/**
 * Expires an overdue hold that nobody began to pay for: there is nothing to cancel at Stripe.
 * @returns false when Stripe must be asked, when it is not due, or settled already
 */
export function expireUnaskedHold(
  db: Db,
  { bookingRef, actor, secondClock = 'process' }: Omit<SettleRequest, 'waitMs'>,
): Promise<boolean> {
  return expireHold(db, { bookingRef, actor, cause: 'unpaid', leased: false, secondClock });
}

/**
 * Asks Stripe until it gives a final answer or the bound is reached. Its silence counts while it is asked, whoever asks;
 * the ten minutes for `processing` from the deadline.
 */
async function settleLeased(deps: SettleDeps, request: SettleRequest, lease: SettleLease): Promise<void> {
  const begun = Date.now();
  const waitMs = Math.min(request.waitMs, settleBoundMs);
  for (let pauseMs = 200; ; pauseMs = Math.min(pauseMs * 2, askEveryMs)) {
    const patienceMs = settleBoundMs - lease.silentMs - (Date.now() - begun);
    const verdict = await askStripe(deps, request.bookingRef, Math.max(askEveryMs, patienceMs));
    const passedMs = Date.now() - begun;
    const graceLeftMs = Math.min(processingGraceMs - lease.overdueMs, lease.startsInMs) - passedMs;
    if (verdict === 'processing' && graceLeftMs > 0) {
      const retryInMs = Math.min(processingPollMs, graceLeftMs);
      return releaseHoldLease(deps.db, lease.bookingId, { retryInMs, silentMs: 0 });
    }
    if (verdict !== 'unknown') return concludeHold(deps, request, 'unpaid');

    const silentMs = lease.silentMs + passedMs;
    const leftMs = Math.max(0, settleBoundMs - silentMs);
    const pauseNowMs = Math.min(pauseMs, leftMs);
    if (leftMs > 0 && passedMs + pauseNowMs > waitMs) {
      return releaseHoldLease(deps.db, lease.bookingId, { retryInMs: 0, silentMs });
    }
    await sleep(pauseNowMs);
    // Not asked again at the bound.
    if (pauseNowMs === leftMs) return concludeInSilence(deps, request);
  }
}

/** A Stripe that hangs is not waited for beyond the patience; what it answers later is recorded all the same. */
async function askStripe(deps: SettleDeps, bookingRef: string, patienceMs: number): Promise<CloseVerdict> {
  const silence = sleep(patienceMs, 'unknown' as const, { ref: false });
  return Promise.race([closeAllPayments(deps, bookingRef), silence]);
}

function concludeInSilence(deps: SettleDeps, request: SettleRequest): Promise<void> {
  const { bookingRef } = request;
  deps.log.warn({ bookingRef }, 'Stripe gives no final answer; the hold expires all the same');
  return concludeHold(deps, request, 'unpaid_stripe_silent');
}

/** Expires the hold, or confirms it with the money that is on record by now. */
async function concludeHold(deps: SettleDeps, request: SettleRequest, cause: string): Promise<void> {
  const { bookingRef, actor } = request;
  if (await expireHold(deps.db, { bookingRef, actor, cause, leased: true })) return;
  const paid = await findUndecidedPayments(deps.db, bookingRef);
  for (const paymentRef of paid) await decideMoney(deps.db, { paymentRef, actor });
  // Money that does not match goes back, and then the hold was not paid after all.
  if (paid.length > 0) await expireHold(deps.db, { bookingRef, actor, cause, leased: true });
}

/**
 * Settles a hold for somebody who waits no longer than `waitMs`; what takes longer goes on behind.
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

/** So many at a time: whoever settles many leaves connections for those who settle one. */
const lanes = 4;

/**
 * Settles many overdue holds, a few at a time, until `totalMs` is over.
 * @returns how each stands; what was not begun in time, or could not be settled, is `pending`
 */
export async function settleHolds(
  deps: SettleDeps,
  bookingRefs: readonly string[],
  { actor, totalMs }: { actor: string; totalMs: number },
): Promise<BookingStatus[]> {
  const endsAt = Date.now() + totalMs;
  const waiting = [...bookingRefs];
  const settled: BookingStatus[] = [];
  async function work(): Promise<void> {
    for (let bookingRef = waiting.shift(); bookingRef !== undefined; bookingRef = waiting.shift()) {
      const waitMs = Math.min(settleBoundMs, endsAt - Date.now());
      const inTime =
        waitMs > 0 && (await settleHoldWithin(deps, { bookingRef, actor, waitMs }).catch(() => undefined));
      settled.push(inTime ? inTime.status : 'pending');
    }
  }
  await Promise.all(Array.from({ length: lanes }, work));
  return settled;
}
