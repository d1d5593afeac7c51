import { accessSync, constants, readFileSync } from 'node:fs';
import { z } from 'zod';
import { DatabaseUrlError, readDatabaseUrl } from './db/database-url.ts';

/** The only reader of what API and worker are set to: every module of theirs is handed what it needs. */

const list = z.string().transform((text) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean),
);
/** CORS compares texts: an entry that no browser sends would be taken and never match. */
const origins = list.refine(
  (entries) => entries.every((entry) => URL.canParse(entry) && new URL(entry).origin === entry),
  'each must be as a browser sends it, like https://app.example.com: no path, no slash at the end',
);
const webhookSecretSays = 'one or more secrets that begin with whsec_, comma-separated';
const flag = z.stringbool({ error: 'true or false' });
const file = z.string().transform((path, ctx) => {
  try {
    return readFileSync(path);
  } catch {
    ctx.addIssue({ code: 'custom', message: 'a file that can be read' });
    return z.NEVER;
  }
});
const databaseUrl = z.string().superRefine((url, ctx) => {
  try {
    readDatabaseUrl(url);
  } catch (error) {
    if (!(error instanceof DatabaseUrlError)) throw error;
    ctx.addIssue({ code: 'custom', message: error.message.replace(/^must be /, '') });
  }
});
const data = z.string().transform((text) => Buffer.from(text));
const plaintextSays = 'true, false or host:port';
const plaintext = z.union([flag, z.string().regex(/^\S+:\d+$/, plaintextSays)], plaintextSays);

/** `says`: what the setting must be, in words that complete "PORT: …". */
const number = (min: number, max: number, says = `a number from ${min} to ${max}`) =>
  z.coerce.number(says).min(min, says).max(max, says);
const whole = (min: number, max: number, says = `a whole number from ${min} to ${max}`) =>
  number(min, max, says).int(says);
const limit = (fallback: number) => whole(0, 1_000_000).default(fallback);
const webAddress = z.url({ protocol: /^https?$/, error: 'an address that begins with http:// or https://' });
const startsWith = (pattern: RegExp, says: string) => z.string().regex(pattern, says);
const longToken = z.string().min(16, 'at least 16 characters');
/** A server's address as Temporal's tools take it; they add its port where none is named. */
const serverAddress = z
  .string()
  .regex(/^(\[[\da-fA-F:.]+\]|[\w.-]+)(:\d{1,5})?$/, 'host:port, without http:// and without a path');
const readable = z.string().refine((path) => {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}, 'a file that can be read');
const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

const shape = z.object({
  // 0 is any free port, for tests.
  PORT: whole(0, 65_535, 'a number from 1 to 65535').default(8000),
  HOST: z.string().default('127.0.0.1'),
  DATABASE_URL: databaseUrl,
  DATABASE_PREPARED: flag.optional(),
  DATABASE_POOL: whole(1, 200).default(12),
  TEMPORAL_ADDRESS: serverAddress,
  TEMPORAL_NAMESPACE: z.string().default('default'),
  TEMPORAL_API_KEY: z.string().optional(),
  TEMPORAL_TLS: flag.optional(),
  TEMPORAL_TLS_SERVER_CA_CERT_PATH: file.optional(),
  TEMPORAL_TLS_SERVER_CA_CERT_DATA: data.optional(),
  TEMPORAL_TLS_CLIENT_CERT_PATH: file.optional(),
  TEMPORAL_TLS_CLIENT_CERT_DATA: data.optional(),
  TEMPORAL_TLS_CLIENT_KEY_PATH: file.optional(),
  TEMPORAL_TLS_CLIENT_KEY_DATA: data.optional(),
  TEMPORAL_TLS_SERVER_NAME: z.string().optional(),
  TEMPORAL_TLS_DISABLE_HOST_VERIFICATION: flag.default(false),
  TEMPORAL_ALLOW_PLAINTEXT: plaintext.default(false),
  TEMPORAL_TASK_QUEUE: z.string().default('bookings'),
  TEMPORAL_UI_URL: webAddress.optional(),
  STRIPE_SECRET_KEY: startsWith(/^(sk|rk)_/, 'a key that begins with sk_ or rk_'),
  STRIPE_PUBLISHABLE_KEY: startsWith(/^pk_/, 'a key that begins with pk_').optional(),
  STRIPE_WEBHOOK_SECRET: list.pipe(
    z.array(startsWith(/^whsec_/, webhookSecretSays), webhookSecretSays).min(1, webhookSecretSays),
  ),
  STRIPE_API_BASE: webAddress.optional(),
  STRIPE_BROWSER_BASE: webAddress.optional(),
  STRIPE_CALLBACK_SUCCESS_URL: webAddress.optional(),
  STRIPE_CALLBACK_CANCEL_URL: webAddress.optional(),
  SECRET_KEY: list.optional(),
  DEBUG: flag.default(false),
  HOLD_MINUTES: number(0.01, 1_440).default(30),
  FREE_CANCEL_HOURS: number(0, 8_760).default(24),
  BOOKING_HORIZON_DAYS: whole(1, 3_650).default(365),
  LIMIT_OPEN_HOLDS: limit(5),
  LIMIT_REPEATED_HOLDS: limit(2),
  LIMIT_LOGIN_FAILURES: limit(10),
  LIMIT_REGISTRATIONS: limit(20),
  LIMIT_REQUESTS: limit(600),
  CORS_ORIGINS: origins.default([]),
  TRUST_PROXY_HOPS: whole(0, 10).default(0),
  CLEANUP_TOKEN: longToken.optional(),
  LOG_LEVEL: z.enum(logLevels, `one of ${logLevels.join(', ')}`).default('info'),
  RECONCILE_SECONDS: whole(1, 3_600).default(60),
  SHUTDOWN_DELAY_SECONDS: number(0, 60).optional(),
  METRICS_TOKEN: longToken.optional(),
  METRICS_ADDRESS: z
    .string()
    .regex(/^(\[[\da-fA-F:]+\]|\d{1,3}(\.\d{1,3}){3}):\d{1,5}$/, 'IP address:port, like 0.0.0.0:9464')
    .optional(),
  WORKFLOW_BUNDLE: readable.optional(),
});

type Settings = z.infer<typeof shape>;

/** A key of the Stripe emulator, which everybody knows (stripe-emulator/src/keys.ts). */
const isEmulatorKey = (key: string | undefined) => /^(sk_test|pk_test|whsec)_emulator$/.test(key ?? '');
/** What the passwords of .env.example begin with. */
const tryOutPassword = 'try-out-';
const debugSecret = 'debug-only-secret-key-that-signs-nothing-real';

/** Rules between settings; each fault names the setting, never its value. Those that are faulty themselves are absent. */
function crossFaults(env: Partial<Settings>, told: ReadonlySet<string>): string[] {
  // Of half of the settings of TLS nothing can be said.
  const isTlsTold = [...told].some((name) => name.startsWith('TEMPORAL_TLS'));
  return [
    ...(env.DEBUG === false ? productionFaults(env) : []),
    ...(env.DEBUG === false && !isTlsTold && !told.has('TEMPORAL_ALLOW_PLAINTEXT')
      ? plaintextFaults(env)
      : []),
    ...stripeFaults(env),
    ...(isTlsTold ? [] : tlsFaults(env)),
  ];
}

function productionFaults(env: Partial<Settings>): string[] {
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
  if (env.DATABASE_URL && new URL(env.DATABASE_URL).password.startsWith(tryOutPassword))
    faults.push('DATABASE_URL: has the public password of .env.example (BOOKING_APP_PASSWORD); set your own');
  if (!env.CLEANUP_TOKEN) faults.push('CLEANUP_TOKEN: required (at least 16 characters) unless DEBUG=true');
  if (keys.some((key) => key === env.CLEANUP_TOKEN))
    faults.push('CLEANUP_TOKEN: must differ from SECRET_KEY');
  return faults;
}

/** Test or live, as a key of Stripe's says (https://docs.stripe.com/keys#obtain-api-keys); the emulator's are its own. */
function modeOfKey(key: string): 'test' | 'live' | 'emulator' | undefined {
  if (key.endsWith('_test_emulator')) return 'emulator';
  return /^(?:sk|rk|pk)_(test|live)_/.exec(key)?.[1] as 'test' | 'live' | undefined;
}

/** Keys that belong to different modes: the browser would pay where the service does not look. */
function stripeFaults(env: Partial<Settings>): string[] {
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

function plaintextFaults(env: Partial<Settings>): string[] {
  const { TEMPORAL_ADDRESS: address } = env;
  if (!address || isLoopback(address) || temporalTls(env) || mayBePlain(env)) return [];
  const cure = 'set TEMPORAL_TLS, TEMPORAL_API_KEY or, on a private network, TEMPORAL_ALLOW_PLAINTEXT=true';
  return [`TEMPORAL_ADDRESS: a remote server without TLS; ${cure}`];
}

/** `true`, or the one address that may do without: compose names that of its own server. */
const mayBePlain = ({ TEMPORAL_ALLOW_PLAINTEXT: allowed, TEMPORAL_ADDRESS: address }: Partial<Settings>) =>
  allowed === true || allowed === address;

function tlsFaults(env: Partial<Settings>): string[] {
  const faults: string[] = [];
  for (const name of ['SERVER_CA_CERT', 'CLIENT_CERT', 'CLIENT_KEY'] as const) {
    const [path, text] = [`TEMPORAL_TLS_${name}_PATH`, `TEMPORAL_TLS_${name}_DATA`] as const;
    if (env[path] && env[text]) faults.push(`${text}: ${path} is set as well`);
  }
  const { crt, key } = clientCertificate(env);
  if (Boolean(crt) !== Boolean(key)) {
    const missing = crt ? 'TEMPORAL_TLS_CLIENT_KEY' : 'TEMPORAL_TLS_CLIENT_CERT';
    faults.push(`${missing}_PATH: a certificate and its key: set both or none (_PATH or _DATA)`);
  }
  if (env.TEMPORAL_TLS_DISABLE_HOST_VERIFICATION) {
    const cure = 'say which name the certificate has by TEMPORAL_TLS_SERVER_NAME';
    faults.push(`TEMPORAL_TLS_DISABLE_HOST_VERIFICATION: Temporal's client cannot do that; ${cure}`);
  }
  return faults;
}

function isLoopback(address: string): boolean {
  const host = address.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}

const clientCertificate = (env: Partial<Settings>) => ({
  crt: env.TEMPORAL_TLS_CLIENT_CERT_PATH ?? env.TEMPORAL_TLS_CLIENT_CERT_DATA,
  key: env.TEMPORAL_TLS_CLIENT_KEY_PATH ?? env.TEMPORAL_TLS_CLIENT_KEY_DATA,
});

/**
 * As Temporal's own tools read it: whatever is said about TLS, or an API key, turns it on, unless it is switched off
 * (https://docs.temporal.io/references/client-environment-configuration).
 */
function temporalTls(env: Partial<Settings>) {
  const ca = env.TEMPORAL_TLS_SERVER_CA_CERT_PATH ?? env.TEMPORAL_TLS_SERVER_CA_CERT_DATA;
  const { crt, key } = clientCertificate(env);
  const name = env.TEMPORAL_TLS_SERVER_NAME;
  if (!(env.TEMPORAL_TLS ?? Boolean(env.TEMPORAL_API_KEY ?? ca ?? crt ?? name))) return undefined;
  return {
    ...(ca && { serverRootCACertificate: ca }),
    ...(name && { serverNameOverride: name }),
    ...(crt && key && { clientCertPair: { crt, key } }),
  };
}

/** Is it debug? For what runs beside API and worker, without all of their settings. */
export const isDebug = (env: NodeJS.ProcessEnv) => flag.catch(false).parse(env.DEBUG);

/**
 * Reads the settings of API and worker (.env.example explains them).
 * @throws ConfigError that names every faulty setting at once, and no value
 */
export function loadConfig(env: NodeJS.ProcessEnv) {
  // An empty value in a .env file means "not set".
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const { settings, faults } = readSettings(given);
  // What is wrong on its own is told once.
  const told = new Set(faults.map(nameOf));
  const cross = crossFaults(settings, told).filter((fault) => !told.has(nameOf(fault)));
  if (faults.length + cross.length > 0) throw new ConfigError([...faults, ...cross]);
  return buildConfig(settings as Settings);
}

const nameOf = (fault: string) => fault.slice(0, fault.indexOf(':'));

/** Each setting by itself, so that a faulty one does not hide what is wrong with others. */
function readSettings(given: Record<string, string | undefined>): {
  settings: Partial<Settings>;
  faults: string[];
} {
  const settings: Record<string, unknown> = {};
  const faults: string[] = [];
  for (const [name, field] of Object.entries(shape.shape)) {
    const value = given[name];
    const parsed = (field as z.ZodType).safeParse(value);
    if (parsed.success) settings[name] = parsed.data;
    else if (value === undefined) faults.push(`${name}: required, but not set`);
    else faults.push(`${name}: ${parsed.error.issues[0]?.message}${notThis(name, value)}`);
  }
  return { settings, faults };
}

/**
 * `, not "abc"`: for a word or a number only, and for no setting that holds a secret. Anything else may be a secret that
 * was put in the wrong place.
 */
function notThis(name: string, value: string): string {
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
      // Time for a load balancer to see that this process is going, while it still answers.
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
      // The emulator's address as a browser reaches it, where that differs from ours.
      browserBase: env.STRIPE_BROWSER_BASE ?? env.STRIPE_API_BASE,
      livemode: env.STRIPE_SECRET_KEY.includes('_live_'),
      // Pages of our own are named by their path: under which name a browser finds us is not known here.
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

/** The settings are not usable. The message is for the operator: one line a fault. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  constructor(faults: string[]) {
    super(
      `These settings need attention (see .env.example):\n${faults.map((fault) => `  ${fault}`).join('\n')}`,
    );
  }
}
