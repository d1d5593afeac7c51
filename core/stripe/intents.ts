import Stripe from 'stripe';
import type { IntentStatus } from '../../db/models.ts';
import type { IntentFact, PaymentRow } from '../../db/payments.ts';
import { isFinalRefusal, isKeyTaken, isReplayedFailure } from './errors.ts';

/** What Stripe says of a PaymentIntent. `chargedAt` is known only where its latest charge was asked for too. */
export function intentFactOf(intent: Stripe.PaymentIntent): IntentFact {
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

/** What a payment becomes that has no PaymentIntent at Stripe: canceled, since nobody can pay it. */
export function noIntentFact({ currency }: PaymentRow): IntentFact {
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

/**
 * Creates the PaymentIntent of a payment row, or gets the one that an earlier attempt has made: the idempotency key comes
 * from the booking's ref and the number of the payment, so Stripe makes it once
 * (https://docs.stripe.com/api/idempotent_requests). A replayed answer may be out of date.
 * @returns undefined when this key gives none: Stripe's first attempt under it failed without effect, or made the
 *   PaymentIntent of another payment
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

/**
 * Cancels a PaymentIntent. It sends no idempotency key on purpose: Stripe would replay a saved refusal, and cancelling
 * twice is harmless.
 * @returns the PaymentIntent as it then is; undefined when Stripe has none of this id
 * @throws StripeError
 */
export async function cancelIntent(
  stripe: Stripe,
  intentId: string,
): Promise<Stripe.PaymentIntent | undefined> {
  try {
    return await stripe.paymentIntents.cancel(intentId, { cancellation_reason: 'abandoned' });
  } catch (error) {
    if (!isFinalRefusal(error)) throw error;
    // It is canceled, succeeded or processing already: the PaymentIntent itself says which.
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
