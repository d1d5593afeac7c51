import type { z } from 'zod';
import { debugSecret } from './config/debug-secret.ts';
import { findFaults } from './config/faults.ts';
import { flag } from './config/fields.ts';
import { type Settings, shape } from './config/shape.ts';
import { isEmulatorKey } from './config/stripe-keys.ts';
import { temporalTls } from './config/temporal-tls.ts';

/** The only reader of the settings of API and worker. Every module of theirs is given what it needs. */

/** Does the environment say `DEBUG=true`? For programs that do not need all settings of API and worker. */
export const isDebug = (env: NodeJS.ProcessEnv) => flag.catch(false).parse(env.DEBUG);

/**
 * Reads the settings of API and worker (.env.example explains them).
 * @throws ConfigError that names every faulty setting at once, and no secret
 */
export function loadConfig(env: NodeJS.ProcessEnv) {
  // An empty value in a .env file means "not set".
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const { settings, faults } = readSettings(given);
  const faulty = new Set(faults.map(nameOf));
  // A setting that is faulty by itself is named once.
  const between = findFaults(settings, faulty).filter((fault) => !faulty.has(nameOf(fault)));
  if (faults.length + between.length > 0) throw new ConfigError([...faults, ...between]);
  return buildConfig(settings as Settings);
}

const nameOf = (fault: string) => fault.slice(0, fault.indexOf(':'));

/** Reads each setting by itself, so that a faulty one does not hide the faults of others. */
function readSettings(given: Record<string, string | undefined>) {
  const settings: Record<string, unknown> = {};
  const faults: string[] = [];
  for (const [name, field] of Object.entries(shape.shape)) {
    const value = given[name];
    const parsed = (field as z.ZodType).safeParse(value);
    if (parsed.success) settings[name] = parsed.data;
    else if (value === undefined) faults.push(`${name}: required, but not set`);
    else faults.push(`${name}: ${parsed.error.issues[0]?.message}${quoteIfHarmless(name, value)}`);
  }
  return { settings: settings as Partial<Settings>, faults };
}

/**
 * `, not "abc"`, for a short word or number in a setting that holds no secret. Any other value may be a secret that was
 * put in the wrong place.
 */
function quoteIfHarmless(name: string, value: string): string {
  const isSecret = /KEY|SECRET|TOKEN|_DATA$|DATABASE_URL/.test(name);
  return !isSecret && /^([a-z]{1,12}|-?[\d.]{1,12})$/i.test(value) ? `, not "${value}"` : '';
}

function buildConfig(env: Settings) {
  return {
    debug: env.DEBUG,
    logLevel: env.LOG_LEVEL,
    http: {
      host: env.HOST,
      port: env.PORT,
      trustProxyHops: env.TRUST_PROXY_HOPS,
      corsOrigins: env.CORS_ORIGINS,
      // The process still answers while a load balancer notices that it is stopping.
      shutdownDelayMs: (env.SHUTDOWN_DELAY_SECONDS ?? (env.DEBUG ? 0 : 5)) * 1_000,
    },
    database: { url: env.DATABASE_URL, poolMax: env.DATABASE_POOL, prepared: env.DATABASE_PREPARED },
    temporal: {
      address: env.TEMPORAL_ADDRESS,
      namespace: env.TEMPORAL_NAMESPACE,
      taskQueue: env.TEMPORAL_TASK_QUEUE,
      apiKey: env.TEMPORAL_API_KEY,
      tls: temporalTls(env),
      uiUrl: env.TEMPORAL_UI_URL,
    },
    stripe: {
      secretKey: env.STRIPE_SECRET_KEY,
      publishableKey: env.STRIPE_PUBLISHABLE_KEY,
      webhookSecrets: env.STRIPE_WEBHOOK_SECRET,
      apiBase: env.STRIPE_API_BASE,
      isEmulated: isEmulatorKey(env.STRIPE_SECRET_KEY),
      // The emulator's address for browsers, where that differs from ours.
      browserBase: env.STRIPE_BROWSER_BASE ?? env.STRIPE_API_BASE,
      livemode: env.STRIPE_SECRET_KEY.includes('_live_'),
      // Our own pages are named by their path, since the host by which a browser reaches us is not known here.
      successUrl: env.STRIPE_CALLBACK_SUCCESS_URL ?? '/payment/success',
      cancelUrl: env.STRIPE_CALLBACK_CANCEL_URL ?? '/payment/cancel',
    },
    auth: { secretKeys: env.SECRET_KEY?.length ? env.SECRET_KEY : [debugSecret] },
    cleanupToken: env.CLEANUP_TOKEN,
    holdMs: Math.round(env.HOLD_MINUTES * 60_000),
    freeCancelHours: env.FREE_CANCEL_HOURS,
    horizonDays: env.BOOKING_HORIZON_DAYS,
    limits: {
      openHolds: env.LIMIT_OPEN_HOLDS,
      repeatedHolds: env.LIMIT_REPEATED_HOLDS,
      loginFailures: env.LIMIT_LOGIN_FAILURES,
      registrations: env.LIMIT_REGISTRATIONS,
      requests: env.LIMIT_REQUESTS,
    },
    reconcileMs: env.RECONCILE_SECONDS * 1_000,
    metricsToken: env.METRICS_TOKEN,
    metricsAddress: env.METRICS_ADDRESS,
    workflowBundle: env.WORKFLOW_BUNDLE,
  };
}

export type Config = ReturnType<typeof loadConfig>;

/** The settings cannot be used. The message is for the operator and has one line for each fault. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  constructor(faults: string[]) {
    super(
      `These settings need attention (see .env.example):\n${faults.map((fault) => `  ${fault}`).join('\n')}`,
    );
  }
}
