import Stripe from 'stripe';
import type { Db } from '../../db/knex.ts';
import { findOpenPayments, findUndecidedPayments, type PaymentRow, recordIntent } from '../../db/payments.ts';
import type { CloseVerdict } from '../../domain/settlement.ts';
import { NotYet } from '../failures.ts';
import { isFinalRefusal } from '../stripe/errors.ts';
import { cancelIntent, findOrCreateIntent, intentFactOf, noIntentFact } from '../stripe/intents.ts';
import { type Decider, decidePayment } from './decide-payment.ts';
import { flagLostIntent } from './flag-lost-intent.ts';

interface Deps {
  db: Db;
  stripe: Stripe;
}

/**
 * Closes every payment of a booking that could still be paid: its PaymentIntent is cancelled at Stripe, and Stripe's
 * answer is recorded. Stripe settles the race with a payment under way: after `canceled` no money can follow.
 * @returns Stripe's word on all of them: money first, then doubt
 */
export async function closePayments(deps: Deps, bookingRef: string): Promise<CloseVerdict> {
  const payments = await findOpenPayments(deps.db, bookingRef);
  const verdicts = await Promise.all(payments.map((payment) => closePayment(deps, payment)));
  const worstFirst = ['succeeded', 'unknown', 'processing'] as const;
  return worstFirst.find((verdict) => verdicts.includes(verdict)) ?? 'canceled';
}

/**
 * A PaymentIntent that Stripe does not have may be payable in another account, whose key was the right one. It is looked
 * for as long as Stripe repeats its events of a payment (https://docs.stripe.com/webhooks#retries); after that the payment
 * counts as canceled.
 */
const lostIntentDoubtMs = 3 * 86_400_000;

async function closePayment({ db, stripe }: Deps, payment: PaymentRow): Promise<CloseVerdict> {
  try {
    const intentId = payment.intentId ?? (await findOrCreateIntent(stripe, payment))?.id;
    const intent = intentId && (await cancelIntent(stripe, intentId));
    if (intentId && !intent) {
      await flagLostIntent(db, payment, intentId);
      if (Date.now() - payment.createdAt.getTime() < lostIntentDoubtMs) return 'unknown';
    }
    const fact = intent ? intentFactOf(intent) : noIntentFact(payment);
    await recordIntent(db, payment, fact);
    return fact.status === 'canceled' || fact.status === 'succeeded' || fact.status === 'processing'
      ? fact.status
      : 'unknown';
  } catch (error) {
    if (!(error instanceof Stripe.errors.StripeError)) throw error;
    if (payment.intentId === null && isFinalRefusal(error)) {
      // Stripe refused to make it.
      await recordIntent(db, payment, noIntentFact(payment));
      return 'canceled';
    }
    return 'unknown';
  }
}

/**
 * Closes the payments of a booking that is over, and decides every payment that turns out to be paid.
 * @throws NotYet PaymentStillOpen when one of them could still be paid
 */
export async function closeAndDecidePayments(
  deps: Deps,
  { bookingRef, ...decider }: Decider & { bookingRef: string },
): Promise<void> {
  const verdict = await closePayments(deps, bookingRef);
  // An attempt before this one may have found a payment paid and stopped before it decided.
  for (const paymentRef of await findUndecidedPayments(deps.db, bookingRef)) {
    await decidePayment(deps.db, { ...decider, paymentRef });
  }
  if (verdict === 'processing') throw stillOpen(verdict, await processingPauseMs(deps.db, bookingRef));
  if (verdict === 'unknown') throw stillOpen(verdict);
}

/**
 * Closes the payments of a hold for which too many cards were declined. A payment under way may end first.
 * @throws NotYet PaymentStillOpen when Stripe gives no answer
 */
export async function closeDeclinedPayments(deps: Deps, bookingRef: string): Promise<void> {
  const verdict = await closePayments(deps, bookingRef);
  if (verdict === 'unknown') throw stillOpen(verdict);
}

const stillOpen = (verdict: CloseVerdict, retryInMs?: number) =>
  new NotYet('PaymentStillOpen', `Stripe's answer is ${verdict}`, retryInMs);

const processingPauseMsMin = 1_000;
const processingPauseMsMax = 15 * 60_000;

/** A payment may be processing for days: Stripe is asked less and less often, and the webhook tells when it ends. */
async function processingPauseMs(db: Db, bookingRef: string): Promise<number> {
  const newest = (await findOpenPayments(db, bookingRef)).at(-1);
  const ageMs = Date.now() - (newest?.createdAt.getTime() ?? Date.now());
  return Math.round(Math.min(processingPauseMsMax, Math.max(processingPauseMsMin, ageMs / 10)));
}
