import { invalidRequest, unexpectedState } from './errors.ts';
import type { World } from './events.ts';
import { nowSeconds } from './ids.ts';
import { mergeMetadata } from './params.ts';
import { noteSuccess } from './payment-attempts.ts';
import type { CancelParams, CaptureParams } from './payment-intent-params.ts';
import { isUnpaid } from './payment-intents.ts';
import type { Cause, PaymentIntent } from './types.ts';

/** https://docs.stripe.com/api/payment_intents/cancel: in every unpaid status, "in rare cases" while processing. */
export function cancelPaymentIntent(
  world: World,
  intent: PaymentIntent,
  params: CancelParams,
  cause: Cause,
): PaymentIntent {
  const note = world.tables.notes.get(intent.id);
  const isRareCase = intent.status === 'processing' && note?.cancelableWhileProcessing === true;
  if (!isUnpaid(intent) && intent.status !== 'requires_capture' && !isRareCase) {
    throw unexpectedState(
      `You cannot cancel this PaymentIntent because it has a status of ${intent.status}. Only a PaymentIntent with one ` +
        'of the following statuses may be canceled: requires_payment_method, requires_capture, ' +
        'requires_confirmation, requires_action, processing.',
      intent,
    );
  }
  if (intent.status === 'requires_capture') releaseHold(world, intent, cause);
  intent.status = 'canceled';
  intent.canceled_at = nowSeconds();
  intent.cancellation_reason = params.cancellation_reason ?? null;
  intent.amount_capturable = 0;
  intent.next_action = null;
  intent.processing = null;
  world.tables.notes.save({ ...(note ?? { id: intent.id }), canceledAtMs: Date.now() });
  world.tables.paymentIntents.save(intent);
  world.emit('payment_intent.canceled', intent, cause);
  return intent;
}

/** The bank drops an authorisation that was never captured; Stripe shows that as a refund of the charge. */
function releaseHold(world: World, intent: PaymentIntent, cause: Cause): void {
  const charge = intent.latest_charge === null ? undefined : world.tables.charges.get(intent.latest_charge);
  if (!charge) return;
  charge.amount_refunded = charge.amount;
  charge.refunded = true;
  world.tables.charges.save(charge);
  world.emit('charge.refunded', charge, cause);
}

/** Takes the authorised money, or less of it; the rest goes back. */
export function capturePaymentIntent(
  world: World,
  intent: PaymentIntent,
  params: CaptureParams,
  cause: Cause,
): PaymentIntent {
  const charge = intent.latest_charge === null ? undefined : world.tables.charges.get(intent.latest_charge);
  if (intent.status !== 'requires_capture' || !charge) {
    throw unexpectedState(
      `This PaymentIntent could not be captured because it has a status of ${intent.status}. Only a PaymentIntent ` +
        'with one of the following statuses may be captured: requires_capture.',
      intent,
    );
  }
  const amount = params.amount_to_capture ?? intent.amount_capturable;
  if (amount > intent.amount_capturable) {
    throw invalidRequest(`Amount to capture (${amount}) is greater than the authorized amount.`, {
      code: 'amount_too_large',
      param: 'amount_to_capture',
    });
  }
  charge.captured = true;
  charge.amount_captured = amount;
  intent.amount_received = amount;
  intent.amount_capturable = 0;
  intent.status = 'succeeded';
  intent.metadata = mergeMetadata(intent.metadata, params.metadata);
  noteSuccess(world, intent);
  world.tables.charges.save(charge);
  world.tables.paymentIntents.save(intent);
  world.emit('charge.captured', charge, cause);
  world.emit('payment_intent.succeeded', intent, cause);
  return intent;
}
