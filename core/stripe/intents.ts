import Stripe from 'stripe';
import type { Db } from '../../db/knex.ts';
import { raiseFlag } from '../../db/flags.ts';
import type { IntentStatus } from '../../db/models.ts';
import { type IntentFact, type PaymentRow, findOpenPayments, recordIntent } from '../../db/payments.ts';
import { isFinalRefusal, isKeyTaken, isReplayedFailure } from './client.ts';

/**
 * A PaymentIntent that Stripe does not have may be payable in another account, whose key was the right one. It is asked
 * for again as long as Stripe repeats its news of a payment (https://docs.stripe.com/webhooks#retries); then it counts as
 * canceled.
 */
const lostIntentDoubtMs = 3 * 86_400_000;

interface Deps {
  db: Db;
  stripe: Stripe;
}

/** What a PaymentIntent of Stripe's means to a payment row; when it was paid, where its latest charge was asked for too. */
export function factOf(intent: Stripe.PaymentIntent): IntentFact {
  const charge = intent.latest_charge;
  const paidBy =
    intent.status === 'succeeded' && charge !== null && typeof charge !== 'string' ? charge : undefined;
  return {
    intentId: intent.id,
    status: intent.status as IntentStatus,
    amountReceivedMinor: intent.amount_received,
    currency: intent.currency,
    chargeId: (typeof charge === 'string' ? charge : charge?.id) ?? null,
    chargedAt: paidBy ? new Date(paidBy.created * 1000) : null,
    lastAttemptFailed: Boolean(intent.last_payment_error),
  };
}

/**
 * Creates the PaymentIntent of a payment row, or gets the one that an earlier try has made: its key comes from the
 * booking's ref and the attempt, so Stripe makes it once
 * (https://docs.stripe.com/api/idempotent_requests). A replayed answer may be out of date.
 * @returns undefined when this key gives none: Stripe's first try under it failed without effect, or it made another
 * payment's
 * @throws StripeError
 */
export async function findOrCreateIntent(
  stripe: Stripe,
  payment: PaymentRow,
): Promise<Stripe.PaymentIntent | undefined> {
  try {
    return await createIntent(stripe, payment);
  } catch (error) {
    if (!isReplayedFailure(error) && !isKeyTaken(error)) throw error;
  }
  const since = Math.floor(payment.createdAt.getTime() / 1000) - 60;
  for await (const intent of stripe.paymentIntents.list({ created: { gte: since }, limit: 100 })) {
    if (intent.metadata['payment_ref'] === payment.ref) return retrieveIntent(stripe, intent.id);
  }
  return undefined;
}

/** What a payment becomes for which there is no PaymentIntent: nothing that anybody could pay. */
export function factOfNone(payment: PaymentRow): IntentFact {
  const { currency } = payment;
  return {
    intentId: null,
    status: 'canceled',
    amountReceivedMinor: 0,
    currency,
    chargeId: null,
    chargedAt: null,
    lastAttemptFailed: false,
  };
}

async function createIntent(stripe: Stripe, payment: PaymentRow): Promise<Stripe.PaymentIntent> {
  const created = await stripe.paymentIntents.create(
    {
      amount: payment.amountMinor,
      currency: payment.currency,
      automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
      metadata: {
        booking_ref: payment.bookingRef,
        booking_id: String(payment.bookingId),
        payment_ref: payment.ref,
      },
    },
    { idempotencyKey: `intent:${payment.bookingRef}:${payment.attempt}` },
  );
  const replayed = created.lastResponse.headers['idempotent-replayed'] === 'true';
  return replayed ? stripe.paymentIntents.retrieve(created.id, { expand: ['latest_charge'] }) : created;
}

/** Final word on a PaymentIntent that must not be paid any more; `unknown` when Stripe gives none. */
export type CloseVerdict = 'canceled' | 'succeeded' | 'processing' | 'unknown';

/**
 * Cancels a payment's PaymentIntent at Stripe and records Stripe's answer. Stripe settles the race with a payment
 * under way: after `canceled` no money can follow.
 */
async function closePayment({ db, stripe }: Deps, payment: PaymentRow): Promise<CloseVerdict> {
  try {
    const intentId = payment.intentId ?? (await findOrCreateIntent(stripe, payment))?.id;
    const intent = intentId && (await cancelIntent(stripe, intentId));
    if (intentId && !intent) {
      await flagLostIntent(db, payment, intentId);
      if (Date.now() - payment.createdAt.getTime() < lostIntentDoubtMs) return 'unknown';
    }
    const fact = intent ? factOf(intent) : factOfNone(payment);
    await recordIntent(db, payment, fact);
    return fact.status === 'canceled' || fact.status === 'succeeded' || fact.status === 'processing'
      ? fact.status
      : 'unknown';
  } catch (error) {
    if (!(error instanceof Stripe.errors.StripeError)) throw error;
    if (payment.intentId === null && isFinalRefusal(error)) {
      // Stripe refused to make it.
      await recordIntent(db, payment, factOfNone(payment));
      return 'canceled';
    }
    return 'unknown';
  }
}

/**
 * Without an idempotency key on purpose: Stripe would replay a saved refusal, and cancelling twice is harmless.
 * @returns the PaymentIntent as it then is; undefined when Stripe has none of this id
 */
async function cancelIntent(stripe: Stripe, intentId: string): Promise<Stripe.PaymentIntent | undefined> {
  try {
    return await stripe.paymentIntents.cancel(intentId, { cancellation_reason: 'abandoned' });
  } catch (error) {
    if (!isFinalRefusal(error)) throw error;
    // Already canceled, succeeded or processing: the intent itself says which.
    return retrieveIntent(stripe, intentId);
  }
}

/** A PaymentIntent as Stripe has it, with its latest charge; undefined when Stripe has none of this id. */
export async function retrieveIntent(
  stripe: Stripe,
  intentId: string,
): Promise<Stripe.PaymentIntent | undefined> {
  try {
    return await stripe.paymentIntents.retrieve(intentId, { expand: ['latest_charge'] });
  } catch (error) {
    if (error instanceof Stripe.errors.StripeError && error.code === 'resource_missing') return undefined;
    throw error;
  }
}

/** Another account's key, or test data that was deleted: asking again may not bring it back, a person may. */
export function flagLostIntent(db: Db, { bookingId }: PaymentRow, intentId: string): Promise<void> {
  const detail = 'Stripe does not have this payment: is the key that of its account?';
  return raiseFlag(db, { kind: 'payment_mismatch', subject: intentId, detail, bookingId, standing: true });
}

/** Closes all open payments of a booking. The worst verdict first: money, then doubt. */
export async function closeAllPayments(deps: Deps, bookingRef: string): Promise<CloseVerdict> {
  const payments = await findOpenPayments(deps.db, bookingRef);
  const verdicts = await Promise.all(payments.map((payment) => closePayment(deps, payment)));
  const worstFirst = ['succeeded', 'unknown', 'processing'] as const;
  return worstFirst.find((verdict) => verdicts.includes(verdict)) ?? 'canceled';
}
