import Stripe from 'stripe';

/** Stripe keeps even a 500 under its key and would replay it for a day (https://docs.stripe.com/error-low-level). */
export function isReplayedFailure(error: unknown): boolean {
  if (!(error instanceof Stripe.errors.StripeError)) return false;
  return (error.statusCode ?? 0) >= 500 && error.headers?.['idempotent-replayed'] === 'true';
}

/** Does Stripe refuse our key? A wrong or expired key is an outage, which ends when the operator sets another. */
export function isKeyRefused(error: unknown): boolean {
  if (!(error instanceof Stripe.errors.StripeError)) return false;
  return error.statusCode === 401 || error.statusCode === 403;
}

/** Did Stripe refuse for good (a 4xx), rather than fail, not answer, or refuse our key? 409 and 429 may pass later. */
export function isFinalRefusal(error: unknown): error is Stripe.errors.StripeError {
  if (!(error instanceof Stripe.errors.StripeError) || isKeyRefused(error)) return false;
  const status = error.statusCode ?? 0;
  return status >= 400 && status < 500 && status !== 409 && status !== 429;
}

/**
 * Was the idempotency key used before with other parameters, by a row that a restored database has forgotten or by a
 * release that sent others (https://docs.stripe.com/api/idempotent_requests)?
 */
export function isKeyTaken(error: unknown): boolean {
  return isFinalRefusal(error) && error.type === 'StripeIdempotencyError';
}
