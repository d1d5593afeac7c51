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
