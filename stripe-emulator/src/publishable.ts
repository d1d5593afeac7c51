import { invalidRequest, missingParameter, StripeFailure } from './errors.ts';
import type { Form } from './form.ts';
import type { ErrorBody, PaymentIntent } from './types.ts';

/** The fields that https://docs.stripe.com/api/payment_intents/object marks "retrievable with publishable key". */
const visibleFields = [
  'id',
  'object',
  'amount',
  'amount_details',
  'automatic_payment_methods',
  'canceled_at',
  'cancellation_reason',
  'capture_method',
  'client_secret',
  'confirmation_method',
  'created',
  'currency',
  'description',
  'excluded_payment_method_types',
  'last_payment_error',
  'livemode',
  'next_action',
  'payment_method',
  'payment_method_types',
  'processing',
  'receipt_email',
  'setup_future_usage',
  'shipping',
  'source',
  'status',
] as const satisfies readonly (keyof PaymentIntent)[];

/** Throws unless the browser sent the secret of this very PaymentIntent. */
export function checkClientSecret(intent: PaymentIntent, form: Form): void {
  if (form['client_secret'] === undefined) throw missingParameter('client_secret');
  if (form['client_secret'] === intent.client_secret) return;
  throw invalidRequest(
    'The client_secret provided does not match the client_secret associated with the PaymentIntent.',
    { code: 'payment_intent_invalid_parameter', param: 'client_secret' },
  );
}

/** What a browser may see of a PaymentIntent: no metadata, no customer, no charge. */
export function publicView(intent: PaymentIntent): Partial<PaymentIntent> {
  return Object.fromEntries(visibleFields.map((field) => [field, intent[field]]));
}

/** The same for an error, which may carry a PaymentIntent. */
export function publicFailure(failure: StripeFailure): StripeFailure {
  const { payment_intent: intent, ...rest } = failure.body;
  if (!intent) return failure;
  return new StripeFailure(failure.status, { ...rest, payment_intent: publicView(intent) } as ErrorBody);
}
