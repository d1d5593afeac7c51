import { debugSecret } from './debug-secret.ts';
import type { Settings } from './shape.ts';
import { isEmulatorKey, modeOfKey } from './stripe-keys.ts';
import { plaintextFaults, tlsFaults } from './temporal-tls.ts';

/** The passwords of .env.example begin with this. */
const examplePasswordPrefix = 'try-out-';

/**
 * Faults between settings. Each fault begins with the name of its setting and never shows a value.
 * @param env the settings that are valid by themselves
 * @param faulty the names of those that are not
 */
export function findFaults(env: Partial<Settings>, faulty: ReadonlySet<string>): string[] {
  const isProduction = env.DEBUG === false;
  // If one setting of TLS is faulty, the others cannot be judged.
  const isTlsKnown = ![...faulty].some((name) => name.startsWith('TEMPORAL_TLS'));
  const isPlaintextKnown = isTlsKnown && !faulty.has('TEMPORAL_ALLOW_PLAINTEXT');
  return [
    ...(isProduction ? secretFaults(env) : []),
    ...(isProduction && isPlaintextKnown ? plaintextFaults(env) : []),
    ...stripeModeFaults(env),
    ...(isTlsKnown ? tlsFaults(env) : []),
  ];
}

/** Secrets that are missing, weak or public. */
function secretFaults(env: Partial<Settings>): string[] {
  const faults: string[] = [];
  const keys = env.SECRET_KEY ?? [];
  if (keys.length === 0) faults.push('SECRET_KEY: required (random, at least 32 bytes) unless DEBUG=true');
  if (keys.some((key) => Buffer.byteLength(key) < 32))
    faults.push('SECRET_KEY: each key needs at least 32 bytes');
  if (keys.some((key) => new Set(key).size < 8)) faults.push('SECRET_KEY: not random enough');
  if (keys.includes(debugSecret)) faults.push('SECRET_KEY: the debug key is public');
  for (const name of ['STRIPE_SECRET_KEY', 'STRIPE_PUBLISHABLE_KEY', 'STRIPE_WEBHOOK_SECRET'] as const) {
    if ([env[name]].flat().some(isEmulatorKey))
      faults.push(`${name}: is the emulator's key; use it only with DEBUG=true`);
  }
  if (env.DATABASE_URL && new URL(env.DATABASE_URL).password.startsWith(examplePasswordPrefix))
    faults.push('DATABASE_URL: has the public password of .env.example (BOOKING_APP_PASSWORD); set your own');
  if (!env.CLEANUP_TOKEN) faults.push('CLEANUP_TOKEN: required (at least 16 characters) unless DEBUG=true');
  if (keys.some((key) => key === env.CLEANUP_TOKEN))
    faults.push('CLEANUP_TOKEN: must differ from SECRET_KEY');
  return faults;
}

/** Keys of different modes: the browser would pay where the service does not look. */
function stripeModeFaults(env: Partial<Settings>): string[] {
  const faults: string[] = [];
  const mode = env.STRIPE_SECRET_KEY && modeOfKey(env.STRIPE_SECRET_KEY);
  const browserMode = env.STRIPE_PUBLISHABLE_KEY && modeOfKey(env.STRIPE_PUBLISHABLE_KEY);
  if (browserMode && mode && mode !== browserMode) {
    faults.push(
      `STRIPE_PUBLISHABLE_KEY: its mode is ${browserMode}, but that of STRIPE_SECRET_KEY is ${mode}; take both keys from one mode`,
    );
  }
  if (mode === 'live' && env.STRIPE_API_BASE?.startsWith('http:')) {
    faults.push('STRIPE_API_BASE: not https, but STRIPE_SECRET_KEY is a live key');
  }
  return faults;
}
