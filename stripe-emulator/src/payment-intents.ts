import { checkChargeAmount } from './currencies.ts';
import { invalidRequest, resourceMissing, unexpectedState } from './errors.ts';
import type { World } from './events.ts';
import { newClientSecret, newId, nowSeconds } from './ids.ts';
import { mergeMetadata } from './params.ts';
import { attemptPayment, type AttemptOptions } from './payment-attempts.ts';
import type { ConfirmParams, CreateParams, UpdateParams } from './payment-intent-params.ts';
import { resolvePaymentMethod } from './payment-methods.ts';
import type { Cause, PaymentIntent, PaymentIntentStatus } from './types.ts';

const unpaidStatuses: readonly PaymentIntentStatus[] = [
  'requires_payment_method',
  'requires_confirmation',
  'requires_action',
];

/** Can it still be confirmed, changed and cancelled? */
export function isUnpaid(intent: PaymentIntent): boolean {
  return unpaidStatuses.includes(intent.status);
}

/** 404 `resource_missing` when there is none. */
export function findPaymentIntent(world: World, id: string): PaymentIntent {
  const intent = world.tables.paymentIntents.get(id);
  if (!intent) throw resourceMissing('payment_intent', id, 'intent');
  return intent;
}

export function createPaymentIntent(
  world: World,
  params: CreateParams & { amount: number; currency: string },
  cause: Cause,
): PaymentIntent {
  const method = resolvePaymentMethod(world.tables, params);
  const id = newId('pi');
  const intent: PaymentIntent = {
    id,
    object: 'payment_intent',
    allowed_payment_method_types: texts(params.allowed_payment_method_types),
    amount: params.amount,
    amount_capturable: 0,
    amount_details: { tip: {} },
    amount_received: 0,
    application: null,
    application_fee_amount: null,
    automatic_payment_methods: automaticMethods(params),
    canceled_at: null,
    cancellation_reason: null,
    capture_method: params.capture_method ?? 'automatic_async',
    client_secret: newClientSecret(id),
    confirmation_method: params.confirmation_method ?? 'automatic',
    created: nowSeconds(),
    currency: params.currency,
    customer: params.customer ?? null,
    customer_account: null,
    description: params.description ?? null,
    excluded_payment_method_types: null,
    last_payment_error: null,
    latest_charge: null,
    livemode: false,
    managed_payments: null,
    metadata: mergeMetadata({}, params.metadata),
    next_action: null,
    on_behalf_of: null,
    payment_method: method?.id ?? null,
    payment_method_configuration_details: null,
    payment_method_options: { card: { request_three_d_secure: 'automatic' } },
    payment_method_types: paymentMethodTypes(params),
    payment_record: null,
    processing: null,
    receipt_email: params.receipt_email ?? null,
    review: null,
    setup_future_usage: params.setup_future_usage ?? null,
    shipping: null,
    source: null,
    statement_descriptor: null,
    statement_descriptor_suffix: params.statement_descriptor_suffix ?? null,
    status: method ? 'requires_confirmation' : 'requires_payment_method',
    transfer_data: null,
    transfer_group: null,
  };
  world.tables.paymentIntents.save(intent);
  world.emit('payment_intent.created', intent, cause);
  if (params.confirm) pay(world, intent, cause, optionsOf(params));
  return intent;
}

function texts(list: (string | null)[] | undefined): string[] | null {
  return list?.filter((each) => each !== null) ?? null;
}

// Since 2023-08-16 dynamic payment methods are the default: https://docs.stripe.com/changelog/2023-08-16/automatic-payment-methods
function automaticMethods(params: CreateParams): PaymentIntent['automatic_payment_methods'] {
  if (params.payment_method_types ?? params.allowed_payment_method_types) return null;
  if (params.automatic_payment_methods?.enabled === false) return null;
  return { allow_redirects: params.automatic_payment_methods?.allow_redirects ?? 'always', enabled: true };
}

/** The emulated account takes cards only; Stripe filters the allowed types by what the account has. */
function paymentMethodTypes(params: CreateParams): string[] {
  const wanted = texts(params.payment_method_types ?? params.allowed_payment_method_types);
  if (wanted === null || wanted.includes('card')) return ['card'];
  throw invalidRequest('No valid payment method types for this Payment Intent. The emulator has card only.', {
    param: params.payment_method_types ? 'payment_method_types' : 'allowed_payment_method_types',
  });
}

function optionsOf(params: ConfirmParams | CreateParams): AttemptOptions {
  return {
    returnUrl: params.return_url,
    challengeFails: params.off_session === true || params.error_on_requires_action === true,
  };
}

/** Money may only change before the payment; metadata and description at any time. */
export function updatePaymentIntent(
  world: World,
  intent: PaymentIntent,
  params: UpdateParams,
): PaymentIntent {
  for (const param of ['amount', 'currency', 'payment_method', 'capture_method', 'customer'] as const) {
    if (params[param] === undefined || isUnpaid(intent)) continue;
    throw unexpectedState(
      `This PaymentIntent's ${param} could not be updated because it has a status of ${intent.status}. ` +
        `You may only update the ${param} of a PaymentIntent with one of the following statuses: ${unpaidStatuses.join(', ')}.`,
      intent,
    );
  }
  if (params.amount !== undefined || params.currency !== undefined) {
    const amount = params.amount ?? intent.amount;
    const currency = params.currency ?? intent.currency;
    checkChargeAmount(amount, currency);
    intent.amount = amount;
    intent.currency = currency;
  }
  const method = resolvePaymentMethod(world.tables, params);
  if (method) intent.payment_method = method.id;
  // A challenge was for the old amount or card; the customer has to confirm again.
  if (isUnpaid(intent)) {
    intent.next_action = null;
    intent.status = intent.payment_method === null ? 'requires_payment_method' : 'requires_confirmation';
  }
  intent.metadata = mergeMetadata(intent.metadata, params.metadata);
  if (params.description !== undefined) intent.description = params.description;
  if (params.customer !== undefined) intent.customer = params.customer;
  if (params.capture_method !== undefined) intent.capture_method = params.capture_method;
  if (params.setup_future_usage !== undefined) intent.setup_future_usage = params.setup_future_usage;
  if (params.statement_descriptor_suffix !== undefined) {
    intent.statement_descriptor_suffix = params.statement_descriptor_suffix;
  }
  if (params.receipt_email !== undefined) intent.receipt_email = params.receipt_email;
  world.tables.paymentIntents.save(intent);
  return intent;
}

/** Throws the 402 of a declined card; the PaymentIntent can be confirmed again with another one. */
export function confirmPaymentIntent(
  world: World,
  intent: PaymentIntent,
  params: ConfirmParams,
  cause: Cause,
): PaymentIntent {
  if (intent.status === 'succeeded' || intent.status === 'requires_capture') {
    throw unexpectedState(
      'You cannot confirm this PaymentIntent because it has already succeeded after being previously confirmed.',
      intent,
    );
  }
  if (!isUnpaid(intent)) {
    throw unexpectedState(
      `You cannot confirm this PaymentIntent because it has a status of ${intent.status}. Only a PaymentIntent with ` +
        'one of the following statuses may be confirmed: requires_confirmation, requires_action.',
      intent,
    );
  }
  const method = resolvePaymentMethod(world.tables, params);
  if (method) intent.payment_method = method.id;
  if (params.capture_method !== undefined) intent.capture_method = params.capture_method;
  if (params.receipt_email !== undefined) intent.receipt_email = params.receipt_email;
  if (params.setup_future_usage !== undefined) intent.setup_future_usage = params.setup_future_usage;
  pay(world, intent, cause, optionsOf(params));
  return intent;
}

function pay(world: World, intent: PaymentIntent, cause: Cause, options: AttemptOptions): void {
  const method =
    intent.payment_method === null ? undefined : world.tables.paymentMethods.get(intent.payment_method);
  if (!method) {
    throw unexpectedState(
      "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the " +
        'PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a ' +
        'payment method or ConfirmationToken.',
      intent,
    );
  }
  attemptPayment(world, intent, method, cause, options);
}
