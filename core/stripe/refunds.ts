import type Stripe from 'stripe';
import type { RefundRow } from '../../db/refunds.ts';

/**
 * Makes a refund. Its idempotency key comes from the refund and the attempt, so that there is one refund whoever asks,
 * however often.
 * @throws StripeError
 */
export function createRefund(stripe: Stripe, refund: RefundRow): Promise<Stripe.Refund> {
  const { ref, paymentRef, bookingRef, reason, intentId, amountMinor, attempt } = refund;
  return stripe.refunds.create(
    {
      payment_intent: intentId,
      amount: amountMinor,
      metadata: { booking_ref: bookingRef, payment_ref: paymentRef, refund_ref: ref, reason },
    },
    { idempotencyKey: `refund:${ref}:${attempt}` },
  );
}

/**
 * What Stripe's refusal of a refund means for the next try.
 * - `disputed`: a bank holds the money; the refund waits for the dispute to close.
 * - `differs`: Stripe has given back more of this payment than is known here; its refunds are recorded, and what is left
 *   is tried again.
 * - `final`: no later try can go through by itself; staff must act.
 * - `passes`: the same request may go through later.
 */
export type RefundRefusal = 'disputed' | 'differs' | 'final' | 'transient';

/**
 * The codes that a refund can be refused with and that do not pass by themselves, as https://docs.stripe.com/error-codes
 * describes them. Every other code is tried again for two weeks, those that Stripe adds one day included: the balance is
 * topped up (`balance_insufficient`, `insufficient_funds`), a lock or a limit passes (`lock_timeout`, `rate_limit`,
 * `request_blocked`), a payment settles, a key or an account is put right (`resource_missing`, `account_invalid`,
 * `livemode_mismatch`). What is tried in vain is on the front page of the panel after a quarter of an hour.
 */
const refusals: Readonly<Record<string, RefundRefusal>> = {
  /** "The charge you're attempting to refund has been charged back." */
  charge_disputed: 'disputed',
  /** "You cannot refund a disputed payment." */
  refund_disputed_payment: 'disputed',
  /** "The charge you're attempting to refund has already been refunded." */
  charge_already_refunded: 'differs',
  /** The charge does not take refunds: its payment method has none, or the time for them is over. */
  charge_not_refundable: 'final',
  /** The customer has sent the money back through the bank already. */
  return_intent_already_processed: 'final',
  amount_too_large: 'final',
  amount_too_small: 'final',
  invalid_charge_amount: 'final',
  charge_invalid_parameter: 'final',
  parameter_invalid_empty: 'final',
  parameter_invalid_integer: 'final',
  parameter_missing: 'final',
  parameter_unknown: 'final',
  parameters_exclusive: 'final',
};

/**
 * Says what a definite refusal (a 4xx of Stripe's own) means. An amount that is greater than what is left has no code,
 * only the parameter's name (https://docs.stripe.com/api/refunds/create).
 */
export function judgeRefundRefusal({
  code,
  param,
}: {
  code?: string | undefined;
  param?: string | undefined;
}): RefundRefusal {
  if (code !== undefined) return (Object.hasOwn(refusals, code) && refusals[code]) || 'transient';
  return param === 'amount' ? 'differs' : 'transient';
}
