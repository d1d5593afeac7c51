import type { CardBehaviour } from './cards.ts';
import { createDispute } from './disputes.ts';
import { StripeFailure, unexpectedState } from './errors.ts';
import type { World } from './events.ts';
import { newId, nowSeconds } from './ids.ts';
import { behaviourOf } from './payment-methods.ts';
import type { Cause, Charge, ErrorBody, PaymentIntent, PaymentMethod } from './types.ts';

type Decline = Extract<CardBehaviour, { kind: 'decline' }>;

export interface AttemptOptions {
  returnUrl?: string | null | undefined;
  /** The customer is not there to pass a challenge (`off_session`, `error_on_requires_action`). */
  challengeFails?: boolean;
}

/**
 * Charges the card: the PaymentIntent moves on, its charge and events are recorded. Throws Stripe's 402
 * when the card is declined; the PaymentIntent is then back at `requires_payment_method`.
 */
export function attemptPayment(
  world: World,
  intent: PaymentIntent,
  method: PaymentMethod,
  cause: Cause,
  options: AttemptOptions = {},
): void {
  intent.payment_method = method.id;
  intent.next_action = null;
  const behaviour = behaviourOf(method);
  if (behaviour.kind === 'challenge') {
    if (options.challengeFails) throw refuse(world, intent, method, authenticationRequired, cause);
    askForChallenge(world, intent, options.returnUrl ?? null, cause);
    return;
  }
  if (behaviour.kind === 'process') {
    startProcessing(world, intent, cause);
    return;
  }
  settle(world, intent, method, behaviour, cause);
}

/** Ends a 3-D Secure challenge. A decline that follows it is recorded, not thrown: nobody is waiting for it. */
export function finishChallenge(world: World, intent: PaymentIntent, passed: boolean, cause: Cause): void {
  const method = methodOf(world, intent);
  if (intent.status !== 'requires_action' || !method) {
    throw unexpectedState(
      `This PaymentIntent has no open challenge: its status is ${intent.status}.`,
      intent,
    );
  }
  const behaviour = behaviourOf(method);
  const outcome = passed && behaviour.kind === 'challenge' ? behaviour.then : authenticationFailed;
  settleQuietly(world, intent, method, outcome, cause);
}

export function startProcessing(world: World, intent: PaymentIntent, cause: Cause): void {
  intent.status = 'processing';
  intent.processing = { type: 'card', card: {} };
  intent.next_action = null;
  world.tables.paymentIntents.save(intent);
  world.emit('payment_intent.processing', intent, cause);
}

/** Decides a PaymentIntent in `processing`. */
export function settleProcessing(world: World, intent: PaymentIntent, paid: boolean, cause: Cause): void {
  const method = methodOf(world, intent);
  if (intent.status !== 'processing' || !method) {
    throw unexpectedState(`This PaymentIntent is not processing: its status is ${intent.status}.`, intent);
  }
  settleQuietly(world, intent, method, paid ? { kind: 'succeed' } : processingFailed, cause);
}

const authenticationRequired: Decline = {
  kind: 'decline',
  code: 'authentication_required',
  declineCode: 'authentication_required',
  message: 'Your card was declined. This transaction requires authentication.',
};
const authenticationFailed: Decline = {
  kind: 'decline',
  code: 'payment_intent_authentication_failure',
  message:
    'We are unable to authenticate your payment method. Please choose a different payment method and try again.',
};
const processingFailed: Decline = {
  kind: 'decline',
  code: 'card_declined',
  declineCode: 'generic_decline',
  message: 'Your card was declined.',
};

function methodOf(world: World, intent: PaymentIntent): PaymentMethod | undefined {
  return intent.payment_method === null ? undefined : world.tables.paymentMethods.get(intent.payment_method);
}

function settle(
  world: World,
  intent: PaymentIntent,
  method: PaymentMethod,
  behaviour: CardBehaviour,
  cause: Cause,
): void {
  if (behaviour.kind === 'decline') throw refuse(world, intent, method, behaviour, cause);
  const charge = newCharge(intent, method);
  intent.latest_charge = charge.id;
  intent.last_payment_error = null;
  intent.next_action = null;
  intent.processing = null;
  if (intent.capture_method === 'manual') {
    intent.status = 'requires_capture';
    intent.amount_capturable = intent.amount;
  } else {
    charge.captured = true;
    charge.amount_captured = intent.amount;
    intent.status = 'succeeded';
    intent.amount_received = intent.amount;
    noteSuccess(world, intent);
  }
  world.tables.charges.save(charge);
  world.tables.paymentIntents.save(intent);
  world.emit('charge.succeeded', charge, cause);
  const news = charge.captured ? 'succeeded' : 'amount_capturable_updated';
  world.emit(`payment_intent.${news}`, intent, cause);
  if (behaviour.kind === 'succeed_then_dispute') createDispute(world, charge, 'fraudulent', cause);
}

function settleQuietly(
  world: World,
  intent: PaymentIntent,
  method: PaymentMethod,
  behaviour: CardBehaviour,
  cause: Cause,
): void {
  if (behaviour.kind === 'decline') refuse(world, intent, method, behaviour, cause);
  else settle(world, intent, method, behaviour, cause);
}

export function noteSuccess(world: World, intent: PaymentIntent): void {
  const note = world.tables.notes.get(intent.id) ?? { id: intent.id };
  world.tables.notes.save({ ...note, succeededAtMs: Date.now() });
}

function askForChallenge(world: World, intent: PaymentIntent, returnUrl: string | null, cause: Cause): void {
  intent.status = 'requires_action';
  intent.next_action = {
    type: 'redirect_to_url',
    redirect_to_url: {
      return_url: returnUrl,
      url: `${world.url()}/_emulator/3ds/${intent.id}?client_secret=${intent.client_secret}`,
    },
  };
  world.tables.paymentIntents.save(intent);
  world.emit('payment_intent.requires_action', intent, cause);
}

/** Records the decline and returns the answer for whoever asked. */
function refuse(
  world: World,
  intent: PaymentIntent,
  method: PaymentMethod,
  decline: Decline,
  cause: Cause,
): StripeFailure {
  // An authentication that fails never reaches the bank, so there is no charge.
  const charge = decline === authenticationFailed ? undefined : newCharge(intent, method, decline);
  const error: ErrorBody = {
    type: decline === authenticationFailed ? 'invalid_request_error' : 'card_error',
    code: decline.code,
    message: decline.message,
    ...(decline.declineCode ? { decline_code: decline.declineCode } : {}),
    ...(charge ? { charge: charge.id } : {}),
    payment_method: structuredClone(method),
  };
  const failure = new StripeFailure(402, error);
  intent.last_payment_error = failure.body;
  intent.status = 'requires_payment_method';
  intent.payment_method = null;
  intent.processing = null;
  intent.next_action = null;
  if (charge) {
    intent.latest_charge = charge.id;
    world.tables.charges.save(charge);
    world.emit('charge.failed', charge, cause);
  }
  world.tables.paymentIntents.save(intent);
  world.emit('payment_intent.payment_failed', intent, cause);
  return new StripeFailure(402, { ...error, payment_intent: structuredClone(intent) });
}

function newCharge(intent: PaymentIntent, method: PaymentMethod, decline?: Decline): Charge {
  return {
    id: newId('ch'),
    object: 'charge',
    amount: intent.amount,
    amount_captured: 0,
    amount_refunded: 0,
    balance_transaction: null,
    billing_details: structuredClone(method.billing_details),
    calculated_statement_descriptor: 'STRIPE EMULATOR',
    captured: false,
    created: nowSeconds(),
    currency: intent.currency,
    customer: intent.customer,
    description: intent.description,
    disputed: false,
    failure_code: decline?.code ?? null,
    failure_message: decline?.message ?? null,
    fraud_details: {},
    livemode: intent.livemode,
    metadata: { ...intent.metadata },
    outcome: {
      network_status: decline ? 'declined_by_network' : 'approved_by_network',
      reason: decline ? (decline.declineCode ?? decline.code) : null,
      seller_message: decline ? 'The bank declined the payment.' : 'Payment complete.',
      type: decline ? 'issuer_declined' : 'authorized',
    },
    paid: !decline,
    payment_intent: intent.id,
    payment_method: method.id,
    payment_method_details: { type: 'card', card: structuredClone(method.card) },
    receipt_email: intent.receipt_email,
    receipt_number: null,
    receipt_url: null,
    refunded: false,
    review: null,
    shipping: null,
    source: null,
    statement_descriptor: null,
    statement_descriptor_suffix: intent.statement_descriptor_suffix,
    status: decline ? 'failed' : 'succeeded',
    transfer_data: null,
    transfer_group: null,
  };
}
