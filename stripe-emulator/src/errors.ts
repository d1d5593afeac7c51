import type { ErrorBody, PaymentIntent } from './types.ts';

/**
 * An answer of Stripe that is not a success: the HTTP status and the `error` object
 * (https://docs.stripe.com/api/errors). Anything else that is thrown is a bug of the emulator.
 */
export class StripeFailure extends Error {
  readonly status: number;
  readonly body: ErrorBody;

  constructor(status: number, body: ErrorBody) {
    super(body.message);
    this.name = 'StripeFailure';
    this.status = status;
    this.body = body.code ? { ...body, doc_url: docUrl(body.code) } : body;
  }
}

function docUrl(code: string): string {
  return `https://stripe.com/docs/error-codes/${code.replaceAll('_', '-')}`;
}

/** 400 by default; `code` and `param` as in https://docs.stripe.com/error-codes. */
export function invalidRequest(
  message: string,
  detail: { code?: string; param?: string; status?: number } = {},
): StripeFailure {
  const { status = 400, ...rest } = detail;
  return new StripeFailure(status, { type: 'invalid_request_error', message, ...rest });
}

export function missingParameter(param: string): StripeFailure {
  return invalidRequest(`Missing required param: ${param}.`, { code: 'parameter_missing', param });
}

export function unknownParameter(param: string): StripeFailure {
  return invalidRequest(`Received unknown parameter: ${param}`, { code: 'parameter_unknown', param });
}

/** A parameter that Stripe knows and this emulator does not: refused, never silently ignored. */
export function unsupportedParameter(param: string): StripeFailure {
  return invalidRequest(`The Stripe emulator does not support the parameter ${param}.`, {
    code: 'emulator_unsupported_parameter',
    param,
  });
}

export function resourceMissing(noun: string, id: string, param: string, status = 404): StripeFailure {
  return invalidRequest(`No such ${noun}: '${id}'`, { code: 'resource_missing', param, status });
}

/** The PaymentIntent is in a status that does not allow this; Stripe sends the PaymentIntent along. */
export function unexpectedState(message: string, paymentIntent: PaymentIntent): StripeFailure {
  return new StripeFailure(400, {
    type: 'invalid_request_error',
    code: 'payment_intent_unexpected_state',
    message,
    payment_intent: structuredClone(paymentIntent),
  });
}

/** 402: the card or what was typed about it was refused. */
export function cardFailure(code: string, message: string, param?: string): StripeFailure {
  return new StripeFailure(402, { type: 'card_error', code, message, ...(param ? { param } : {}) });
}

export function unauthorized(message: string): StripeFailure {
  return invalidRequest(message, { status: 401 });
}

export function serverFailure(
  status: 500 | 503,
  message = 'An error occurred in the Stripe emulator.',
): StripeFailure {
  return new StripeFailure(status, { type: 'api_error', message });
}
