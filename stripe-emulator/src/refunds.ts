import { invalidRequest, resourceMissing } from './errors.ts';
import type { World } from './events.ts';
import { newId, nowSeconds } from './ids.ts';
import { mergeMetadata } from './params.ts';
import { behaviourOf } from './payment-methods.ts';
import type { Cause, Charge, Metadata, Refund } from './types.ts';

interface RefundParams {
  payment_intent?: string | null;
  charge?: string | null;
  amount?: number;
  reason?: string;
  metadata?: Metadata | null;
}

/**
 * Gives money back, the whole rest unless `amount` says less.
 * Errors: https://docs.stripe.com/api/refunds/create – `charge_already_refunded`, `charge_disputed`, an amount over
 * what is left, a payment without a successful charge.
 */
export function createRefund(world: World, params: RefundParams, cause: Cause): Refund {
  const charge = findCharge(world, params);
  const left = charge.amount_captured - charge.amount_refunded;
  if (left === 0) {
    throw invalidRequest(`Charge ${charge.id} has already been refunded.`, {
      code: 'charge_already_refunded',
    });
  }
  if (charge.disputed) {
    throw invalidRequest(`Charge ${charge.id} has been charged back; cannot issue a refund.`, {
      code: 'charge_disputed',
    });
  }
  const amount = params.amount ?? left;
  if (amount > left) {
    const whole = charge.amount_refunded === 0 ? 'charge amount' : 'unrefunded amount on charge';
    throw invalidRequest(`Refund amount (${amount}) is greater than ${whole} (${left})`, { param: 'amount' });
  }
  const refund = newRefund(world, charge, amount, params);
  world.tables.refunds.save(refund);
  changeRefunded(world, charge, amount);
  world.emit('refund.created', refund, cause);
  world.emit('charge.refunded', charge, cause);
  return refund;
}

function findCharge(world: World, params: RefundParams): Charge {
  if (params.charge) {
    const charge = world.tables.charges.get(params.charge);
    if (!charge) throw resourceMissing('charge', params.charge, 'charge');
    if (charge.captured) return charge;
    throw invalidRequest(`Charge ${charge.id} is not captured; there is nothing to refund.`, {
      code: 'charge_not_refundable',
    });
  }
  const id = params.payment_intent ?? '';
  const intent = world.tables.paymentIntents.get(id);
  if (!intent) throw resourceMissing('payment_intent', id, 'payment_intent');
  const charge = intent.latest_charge === null ? undefined : world.tables.charges.get(intent.latest_charge);
  if (charge?.captured) return charge;
  throw invalidRequest(`This PaymentIntent (${id}) does not have a successful charge to refund.`, {
    code: 'charge_not_refundable',
  });
}

function newRefund(world: World, charge: Charge, amount: number, params: RefundParams): Refund {
  const method = world.tables.paymentMethods.get(charge.payment_method);
  const isSlow = method !== undefined && behaviourOf(method).kind === 'succeed_with_slow_refunds';
  return {
    id: newId('re'),
    object: 'refund',
    amount,
    balance_transaction: null,
    charge: charge.id,
    created: nowSeconds(),
    currency: charge.currency,
    destination_details: { type: 'card', card: { type: 'refund' } },
    metadata: mergeMetadata({}, params.metadata),
    payment_intent: charge.payment_intent,
    ...(isSlow ? { pending_reason: 'processing' } : {}),
    reason: params.reason ?? null,
    receipt_number: null,
    source_transfer_reversal: null,
    status: isSlow ? 'pending' : 'succeeded',
    transfer_reversal: null,
  };
}

function changeRefunded(world: World, charge: Charge, amountMinor: number): void {
  charge.amount_refunded += amountMinor;
  charge.refunded = charge.amount_refunded === charge.amount_captured;
  world.tables.charges.save(charge);
}

export function updateRefund(
  world: World,
  refund: Refund,
  change: Metadata | null | undefined,
  cause: Cause,
): Refund {
  refund.metadata = mergeMetadata(refund.metadata, change);
  world.tables.refunds.save(refund);
  world.emit('refund.updated', refund, cause);
  return refund;
}

/** A pending refund arrives: `refund.updated`. */
export function settleRefund(world: World, refund: Refund, cause: Cause): Refund {
  refund.status = 'succeeded';
  delete refund.pending_reason;
  return updateRefund(world, refund, undefined, cause);
}

/**
 * The bank sends the money back, which may happen long after `succeeded`
 * (https://docs.stripe.com/refunds#failed-refunds): the charge counts as less refunded, `refund.failed`.
 */
export function failRefund(world: World, refund: Refund, failureReason: string, cause: Cause): Refund {
  if (refund.status === 'failed') return refund;
  refund.status = 'failed';
  refund.failure_reason = failureReason;
  delete refund.pending_reason;
  world.tables.refunds.save(refund);
  const charge = world.tables.charges.get(refund.charge);
  if (charge) changeRefunded(world, charge, -refund.amount);
  world.emit('refund.updated', refund, cause);
  world.emit('refund.failed', refund, cause);
  return refund;
}
