export type StripeMode = 'test' | 'live' | 'emulator';

/** Is this a key of the Stripe emulator? Everybody knows those (stripe-emulator/src/keys.ts). */
export const isEmulatorKey = (key: string | undefined) =>
  /^(sk_test|pk_test|whsec)_emulator$/.test(key ?? '');

/** Test or live, as Stripe writes it into its keys (https://docs.stripe.com/keys#obtain-api-keys), or the emulator. */
export function modeOfKey(key: string): StripeMode | undefined {
  if (key.endsWith('_test_emulator')) return 'emulator';
  return /^(?:sk|rk|pk)_(test|live)_/.exec(key)?.[1] as 'test' | 'live' | undefined;
}
