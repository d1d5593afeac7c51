import { currency } from './currencies.ts';
import { invalidRequest } from './errors.ts';
import type { Form } from './form.ts';
import { listShape } from './lists.ts';
import {
  email,
  flag,
  ignored,
  integer,
  listOf,
  metadata,
  oneOf,
  readParams,
  record,
  text,
  unsupported,
  type Params,
} from './params.ts';
import { paymentMethodData } from './payment-methods.ts';

const expand = listOf(text());
const paymentMethodTypes = listOf(text(64));
const captureMethod = oneOf(['automatic', 'automatic_async', 'manual']);
const setupFutureUsage = oneOf(['off_session', 'on_session']);

/** Known to Stripe, without a meaning in a room booking, and therefore refused. */
const refusedAlways = {
  amount_details: unsupported,
  confirmation_token: unsupported,
  customer_account: unsupported,
  excluded_payment_method_types: unsupported,
  hooks: unsupported,
  payment_details: unsupported,
  payment_method_options: unsupported,
  shipping: unsupported,
};
const refusedOutsideConfirm = {
  application_fee_amount: unsupported,
  payment_method_configuration: unsupported,
  statement_descriptor: unsupported,
  transfer_data: unsupported,
  transfer_group: unsupported,
};

const createShape = {
  ...refusedAlways,
  ...refusedOutsideConfirm,
  mandate: unsupported,
  mandate_data: unsupported,
  on_behalf_of: unsupported,
  radar_options: ignored,
  use_stripe_sdk: ignored,
  allowed_payment_method_types: paymentMethodTypes,
  amount: integer(1),
  automatic_payment_methods: record({ enabled: flag, allow_redirects: oneOf(['always', 'never']) }),
  capture_method: captureMethod,
  confirm: flag,
  confirmation_method: oneOf(['automatic', 'manual']),
  currency,
  customer: text(),
  description: text(1000),
  error_on_requires_action: flag,
  expand,
  metadata,
  off_session: flag,
  payment_method: text(),
  payment_method_data: paymentMethodData,
  payment_method_types: paymentMethodTypes,
  receipt_email: email,
  return_url: text(),
  setup_future_usage: setupFutureUsage,
  statement_descriptor_suffix: text(22),
};
const updateShape = {
  ...refusedAlways,
  ...refusedOutsideConfirm,
  allowed_payment_method_types: unsupported,
  amount: integer(1),
  capture_method: captureMethod,
  currency,
  customer: text(),
  description: text(1000),
  expand,
  metadata,
  payment_method: text(),
  payment_method_data: paymentMethodData,
  receipt_email: email,
  setup_future_usage: setupFutureUsage,
  statement_descriptor_suffix: text(22),
};
const confirmShape = {
  ...refusedAlways,
  allowed_payment_method_types: unsupported,
  mandate: unsupported,
  mandate_data: unsupported,
  amount_to_confirm: unsupported,
  radar_options: ignored,
  use_stripe_sdk: ignored,
  capture_method: captureMethod,
  client_secret: text(),
  error_on_requires_action: flag,
  expand,
  off_session: flag,
  payment_method: text(),
  payment_method_data: paymentMethodData,
  receipt_email: email,
  return_url: text(),
  setup_future_usage: setupFutureUsage,
};
const cancelShape = {
  cancellation_reason: oneOf(['duplicate', 'fraudulent', 'requested_by_customer', 'abandoned']),
  expand,
};
const captureShape = { amount_to_capture: integer(1), expand, final_capture: flag, metadata };

export type CreateParams = Params<typeof createShape>;
export type UpdateParams = Params<typeof updateShape>;
export type ConfirmParams = Params<typeof confirmShape>;
export type CancelParams = Params<typeof cancelShape>;
export type CaptureParams = Params<typeof captureShape>;

export const readCancel = (form: Form) => readParams(form, cancelShape);
export const readCapture = (form: Form) => readParams(form, captureShape);
export const readRetrieve = (form: Form) => readParams(form, { client_secret: text(), expand });
export const readList = (form: Form) =>
  readParams(form, { ...listShape, customer: text(), customer_account: unsupported });

/** `version` is the request's Stripe-Version. */
export function readCreate(form: Form, version: string): CreateParams {
  refuseOldTypes(form, version);
  const params = readParams(form, createShape);
  const ways = ['allowed_payment_method_types', 'automatic_payment_methods', 'payment_method_types'] as const;
  const chosen = ways.filter((way) => params[way] !== undefined);
  if (chosen.length > 1) {
    throw invalidRequest(`You may only specify one of these parameters: ${chosen.join(', ')}.`, {
      code: 'parameters_exclusive',
      param: chosen[0] ?? '',
    });
  }
  return params;
}

export function readUpdate(form: Form, version: string): UpdateParams {
  refuseOldTypes(form, version);
  return readParams(form, updateShape);
}

export function readConfirm(form: Form, version: string): ConfirmParams {
  refuseOldTypes(form, version);
  return readParams(form, confirmShape);
}

/** https://docs.stripe.com/changelog/endive/2026-09-30/removes-the-payment-method-types-parameter-from-payment-intents-and-setup-intents */
function refuseOldTypes(form: Form, version: string): void {
  if (!('payment_method_types' in form) || version < '2026-09-30') return;
  throw invalidRequest(
    'The payment_method_types parameter is no longer supported. Use dynamic payment methods or allowed_payment_method_types instead.',
    { code: 'payment_method_types_no_longer_supported', param: 'payment_method_types' },
  );
}
