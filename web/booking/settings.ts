import type { Config } from '../../config.ts';
import { demoAccounts, demoPassword } from '../../db/seed.ts';

/** What the booking page is told. Everybody can read it: nothing here is a secret. */
export interface SiteSettings {
  /** How long a slot is kept without payment. */
  holdMinutes: number;
  /** A confirmed booking is refunded when it is cancelled this long before its start. */
  freeCancelHours: number;
  horizonDays: number;
  debug: boolean;
  payment:
    | { kind: 'stripe'; publishableKey: string }
    /** An emulator that takes card numbers itself; `apiBase` without a slash at its end. */
    | { kind: 'emulator'; publishableKey: string; apiBase: string }
    | { kind: 'none' };
  /** The pages after payment; a path is one of ours, an address is the operator's. Each is told `?booking=ID`. */
  successUrl: string;
  cancelUrl: string;
  /** The account that exists in debug only. */
  demo: { email: string; password: string } | null;
}

/** @param config the settings of the API, secrets included; only what is named here leaves it */
export function siteSettings(config: Config): SiteSettings {
  const guest = demoAccounts.find((account) => !account.isStaff);
  return {
    holdMinutes: config.holdMs / 60_000,
    freeCancelHours: config.freeCancelHours,
    horizonDays: config.horizonDays,
    debug: config.debug,
    payment: paymentOf(config.stripe),
    successUrl: config.stripe.successUrl,
    cancelUrl: config.stripe.cancelUrl,
    demo: config.debug && guest ? { email: guest.email, password: demoPassword } : null,
  };
}

/** Real cards are typed into Stripe's own form only, whatever address stands between Stripe and us. */
function paymentOf({ publishableKey, isEmulated, browserBase }: Config['stripe']): SiteSettings['payment'] {
  if (!publishableKey) return { kind: 'none' };
  if (!isEmulated) return { kind: 'stripe', publishableKey };
  if (!browserBase) return { kind: 'none' };
  return { kind: 'emulator', publishableKey, apiBase: browserBase.replace(/\/+$/, '') };
}
