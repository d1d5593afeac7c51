import Stripe from 'stripe';
import { stripeTimeoutMs } from '../../domain/limits.ts';

/** The API version that the code was written against: an upgrade at Stripe changes nothing by itself. */
const apiVersion = '2026-10-28.endive';

/**
 * The real client, also against the emulator (`apiBase`). No automatic retries: the callers know whether and how
 * to repeat, with keys of their own.
 */
export function createStripe(settings: { secretKey: string; apiBase?: string | undefined }): Stripe {
  const base = settings.apiBase ? new URL(settings.apiBase) : undefined;
  return new Stripe(settings.secretKey, {
    apiVersion,
    timeout: stripeTimeoutMs,
    maxNetworkRetries: 0,
    telemetry: false,
    appInfo: { name: 'booking-service' },
    ...(base && {
      host: base.hostname,
      port: base.port || (base.protocol === 'https:' ? 443 : 80),
      protocol: base.protocol === 'https:' ? 'https' : 'http',
    }),
  });
}

/** Stripe keeps even a 500 under its key and would replay it for a day (https://docs.stripe.com/error-low-level). */
export function isReplayedFailure(error: unknown): boolean {
  if (!(error instanceof Stripe.errors.StripeError)) return false;
  return (error.statusCode ?? 0) >= 500 && error.headers?.['idempotent-replayed'] === 'true';
}

/** Does Stripe refuse our key? A wrong or expired one is an outage, which ends when the operator sets another. */
export function isKeyRefused(error: unknown): boolean {
  if (!(error instanceof Stripe.errors.StripeError)) return false;
  return error.statusCode === 401 || error.statusCode === 403;
}

/** Did Stripe refuse for good (a 4xx), rather than fail, not answer, or refuse our key? 409 and 429 pass. */
export function isFinalRefusal(error: unknown): error is Stripe.errors.StripeError {
  if (!(error instanceof Stripe.errors.StripeError) || isKeyRefused(error)) return false;
  const status = error.statusCode ?? 0;
  return status >= 400 && status < 500 && status !== 409 && status !== 429;
}

/**
 * Was the key used before, for something else? By a row that a restored database has forgotten, or by a release that
 * asked otherwise (https://docs.stripe.com/api/idempotent_requests).
 */
export function isKeyTaken(error: unknown): boolean {
  return isFinalRefusal(error) && error.type === 'StripeIdempotencyError';
}
