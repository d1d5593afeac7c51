import type { Config } from '../../config.ts';
import { demoAccounts, demoPassword } from '../../db/seed.ts';

/** The settings that the booking page gets. Anybody can read them, so none is a secret. */
export interface SiteSettings {
  /** How long an unpaid slot is held. */
  holdMinutes: number;
  /** A confirmed booking is refunded when it is cancelled this long before its start. */
  freeCancelHours: number;
  horizonDays: number;
  debug: boolean;
  payment:
    | { kind: 'stripe'; publishableKey: string }
    /** The emulator takes card numbers directly; `apiBase` has no slash at its end. */
    | { kind: 'emulator'; publishableKey: string; apiBase: string }
    | { kind: 'none' };
  /** The pages after payment: a path of ours, or an address of the operator's. `?booking=ID` is added to each. */
  successUrl: string;
  cancelUrl: string;
  /** The demo account, which exists with DEBUG only. */
  demo: { email: string; password: string } | null;
}

/** @param config all settings of the API, secrets included; only those named here reach the page */
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

/** Real card numbers go into Stripe's own form only, even when a proxy stands between Stripe and us. */
function paymentOf({ publishableKey, isEmulated, browserBase }: Config['stripe']): SiteSettings['payment'] {
  if (!publishableKey) return { kind: 'none' };
  if (!isEmulated) return { kind: 'stripe', publishableKey };
  if (!browserBase) return { kind: 'none' };
  return { kind: 'emulator', publishableKey, apiBase: browserBase.replace(/\/+$/, '') };
}
