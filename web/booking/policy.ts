import { contentPolicy, ownScripts } from '../policy.ts';
import type { SiteSettings } from './settings.ts';

/** The policy of a page that needs only our own files. */
export const plainPolicy = contentPolicy(ownScripts);

/** Swagger UI draws its arrows from `data:` addresses and needs nothing else beyond our own files. */
export const docsPolicy = contentPolicy({ ...ownScripts, 'img-src': ["'self'", 'data:'] });

/**
 * The booking page's policy. It allows the emulator's address where its card form is used, and what Stripe.js needs
 * (https://docs.stripe.com/security/guide – content security policy) where Stripe's is.
 */
export function bookingPolicy({ payment }: SiteSettings): string {
  switch (payment.kind) {
    case 'none':
      return plainPolicy;
    case 'emulator':
      return contentPolicy({ ...ownScripts, 'connect-src': ["'self'", new URL(payment.apiBase).origin] });
    case 'stripe':
      return contentPolicy({
        ...ownScripts,
        'script-src': ["'self'", 'https://js.stripe.com', 'https://*.js.stripe.com'],
        'connect-src': ["'self'", 'https://api.stripe.com'],
        'frame-src': ['https://js.stripe.com', 'https://*.js.stripe.com', 'https://hooks.stripe.com'],
        'img-src': ["'self'", 'https://*.stripe.com'],
      });
  }
}
