import type Stripe from 'stripe';
import type { ChargeFact, DisputeFact, RefundFact } from '../../db/stripe-events.ts';
import { integerMax } from '../../domain/limits.ts';
import { showAmount } from '../../domain/money.ts';

/** Larger amounts belong to another system on this Stripe account: they fit no payment of ours. */
const fit = (amountMinor: number) => Math.min(amountMinor, integerMax);

const idOf = (value: string | { id: string } | null | undefined) =>
  typeof value === 'string' ? value : (value?.id ?? null);

/** Our own name of a refund is a UUID; whatever else stands in the metadata was written by somebody else. */
const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const uuidOf = (value: string | undefined) => (value && uuidPattern.test(value) ? value : null);

/** What a refund of Stripe's means here. `pending` and `requires_action` are on their way. */
export function refundFactOf(refund: Stripe.Refund): RefundFact {
  const { status, amount, currency } = refund;
  return {
    kind: 'refund',
    id: refund.id,
    intentId: idOf(refund.payment_intent),
    chargeId: idOf(refund.charge),
    refundRef: uuidOf(refund.metadata?.['refund_ref']),
    status:
      status === 'succeeded' || status === 'failed' ? status : status === 'canceled' ? 'failed' : 'submitted',
    amountMinor: fit(amount),
    currency,
    error: refund.failure_reason ?? null,
    shown: showAmount(amount, currency),
  };
}

/**
 * What a dispute of Stripe's means here, as it was at `asOf`. The bank has the money while more has been withdrawn than
 * given back (https://docs.stripe.com/api/disputes/object#dispute_object-balance_transactions).
 */
export function disputeFactOf(dispute: Stripe.Dispute, asOf: Date): DisputeFact {
  const { status, amount, currency } = dispute;
  const moved = (dispute.balance_transactions ?? []).reduce((sum, { amount: minor }) => sum + minor, 0);
  return {
    kind: 'dispute',
    id: dispute.id,
    intentId: idOf(dispute.payment_intent),
    chargeId: idOf(dispute.charge),
    status,
    withdrawn: moved < 0,
    amountMinor: fit(amount),
    currency,
    asOf: asOf.toISOString(),
    shown: showAmount(amount, currency),
  };
}

/** How much of a charge has gone back. */
export function chargeFactOf(charge: Stripe.Charge): ChargeFact {
  return {
    kind: 'charge',
    id: charge.id,
    intentId: idOf(charge.payment_intent),
    chargeId: charge.id,
    refundedMinor: fit(charge.amount_refunded ?? 0),
  };
}
