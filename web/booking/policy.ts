import type { SiteSettings } from './settings.ts';

type Directives = Record<string, readonly string[]>;

const strict: Directives = {
  'default-src': ["'none'"],
  'script-src': ["'self'"],
  'style-src': ["'self'"],
  'img-src': ["'self'"],
  'connect-src': ["'self'"],
  'form-action': ["'self'"],
  'base-uri': ["'none'"],
  'frame-ancestors': ["'none'"],
};

const print = (directives: Directives) =>
  Object.entries(directives)
    .map(([name, values]) => `${name} ${values.join(' ')}`)
    .join('; ');

/** A page that shows and does nothing but ours. */
export const plainPolicy = print(strict);

/** Swagger UI draws its arrows from `data:` addresses; apart from that it needs nothing beyond our own files. */
export const docsPolicy = print({ ...strict, 'img-src': ["'self'", 'data:'] });

/**
 * The booking page's policy: the emulator's address for its card form, or what Stripe.js asks for
 * (https://docs.stripe.com/security/guide – content security policy), and only then.
 */
export function bookingPolicy({ payment }: SiteSettings): string {
  switch (payment.kind) {
    case 'none':
      return plainPolicy;
    case 'emulator':
      return print({ ...strict, 'connect-src': ["'self'", new URL(payment.apiBase).origin] });
    case 'stripe':
      return print({
        ...strict,
        'script-src': ["'self'", 'https://js.stripe.com', 'https://*.js.stripe.com'],
        'connect-src': ["'self'", 'https://api.stripe.com'],
        'frame-src': ['https://js.stripe.com', 'https://*.js.stripe.com', 'https://hooks.stripe.com'],
        'img-src': ["'self'", 'https://*.stripe.com'],
      });
  }
}
