import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { emulatorKeys } from 'stripe-emulator';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ConfigError, isDebug, loadConfig } from '../../config.ts';

const debug = {
  DEBUG: 'true',
  DATABASE_URL: 'postgres://booking:pw@localhost/booking',
  TEMPORAL_ADDRESS: 'localhost:7233',
  STRIPE_SECRET_KEY: 'sk_test_123',
  STRIPE_WEBHOOK_SECRET: 'whsec_123',
};
const production = {
  ...debug,
  DEBUG: 'false',
  SECRET_KEY: '0123456789abcdef0123456789abcdef',
  CLEANUP_TOKEN: 'a-token-of-its-own',
};

/** The faults that the settings are refused for, a line each; empty: they are taken. */
function faultsOf(env: NodeJS.ProcessEnv): string[] {
  try {
    loadConfig(env);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message
      .split('\n')
      .slice(1)
      .map((line) => line.trim());
  }
}
const namesOf = (env: NodeJS.ProcessEnv) => faultsOf(env).map((fault) => fault.split(':')[0]);

describe('the defaults', () => {
  test('of a development machine', () => {
    const config = loadConfig(debug);
    expect(config).toMatchObject({
      debug: true,
      http: { host: '127.0.0.1', port: 8000, trustProxyHops: 0, corsOrigins: [] },
      temporal: { namespace: 'default', taskQueue: 'bookings', tls: undefined },
      holdMs: 30 * 60_000,
      freeCancelHours: 24,
      horizonDays: 365,
      limits: { openHolds: 5, repeatedHolds: 2 },
      stripe: { livemode: false, successUrl: '/payment/success', cancelUrl: '/payment/cancel' },
    });
  });

  test('debug is off by default', () => {
    expect(loadConfig({ ...production, DEBUG: '' }).debug).toBe(false);
  });

  test.each([
    ['0.1', 6_000],
    ['0.01', 600],
    ['1440', 86_400_000],
  ])('HOLD_MINUTES=%s is %i ms', (minutes, ms) => {
    expect(loadConfig({ ...debug, HOLD_MINUTES: minutes }).holdMs).toBe(ms);
  });

  test('secrets that are being rotated: several, the first one signs', () => {
    const [fresh, old] = ['abcdefgh'.repeat(4), '01234567'.repeat(4)];
    const rotating = {
      ...debug,
      STRIPE_WEBHOOK_SECRET: 'whsec_new, whsec_old',
      SECRET_KEY: `${fresh},${old}`,
    };
    const config = loadConfig(rotating);
    expect(config.stripe.webhookSecrets).toEqual(['whsec_new', 'whsec_old']);
    expect(config.auth.secretKeys).toEqual([fresh, old]);
  });

  test('a live key means live mode', () => {
    expect(loadConfig({ ...debug, STRIPE_SECRET_KEY: 'rk_live_1' }).stripe.livemode).toBe(true);
  });
});

describe('faults', () => {
  test('are reported all at once, by name', () => {
    const names = namesOf({ PORT: 'eighty', HOLD_MINUTES: '0', LOG_LEVEL: 'loud', STRIPE_SECRET_KEY: 'x' });
    expect(names.sort()).toEqual([
      'CLEANUP_TOKEN',
      'DATABASE_URL',
      'HOLD_MINUTES',
      'LOG_LEVEL',
      'PORT',
      'SECRET_KEY',
      'STRIPE_SECRET_KEY',
      'STRIPE_WEBHOOK_SECRET',
      'TEMPORAL_ADDRESS',
    ]);
  });

  test('an empty value in a .env file means that it is not set', () => {
    expect(faultsOf({ ...debug, DATABASE_URL: '' })).toEqual(['DATABASE_URL: required, but not set']);
    expect(loadConfig({ ...debug, HOLD_MINUTES: '' }).holdMs).toBe(30 * 60_000);
  });

  test.each([
    [{ PORT: 'abc' }, 'PORT: a number from 1 to 65535, not "abc"'],
    [{ PORT: '65536' }, 'PORT: a number from 1 to 65535, not "65536"'],
    [{ PORT: '80.5' }, 'PORT: a number from 1 to 65535, not "80.5"'],
    [{ DATABASE_POOL: '0' }, 'DATABASE_POOL: a whole number from 1 to 200, not "0"'],
    [{ HOLD_MINUTES: 'ten' }, 'HOLD_MINUTES: a number from 0.01 to 1440, not "ten"'],
    [{ DEBUG: 'maybe' }, 'DEBUG: true or false, not "maybe"'],
    [{ LOG_LEVEL: 'loud' }, 'LOG_LEVEL: one of fatal, error, warn, info, debug, trace, silent, not "loud"'],
    [
      { DATABASE_URL: 'localhost' },
      'DATABASE_URL: an address like postgres://user:password@host:5432/database',
    ],
    [
      { TEMPORAL_ADDRESS: 'https://a:7233' },
      'TEMPORAL_ADDRESS: host:port, without http:// and without a path',
    ],
    [{ TEMPORAL_UI_URL: 'host:8233' }, 'TEMPORAL_UI_URL: an address that begins with http:// or https://'],
    [{ STRIPE_SECRET_KEY: 'whsec' }, 'STRIPE_SECRET_KEY: a key that begins with sk_ or rk_'],
    [
      { STRIPE_WEBHOOK_SECRET: 'a,b' },
      'STRIPE_WEBHOOK_SECRET: one or more secrets that begin with whsec_, comma-separated',
    ],
    [{ METRICS_ADDRESS: ':9464' }, 'METRICS_ADDRESS: IP address:port, like 0.0.0.0:9464'],
    [{ WORKFLOW_BUNDLE: '/does/not/exist' }, 'WORKFLOW_BUNDLE: a file that can be read'],
    // What may be a secret in the wrong place is not repeated.
    [{ PORT: 'sk_live_1234' }, 'PORT: a number from 1 to 65535'],
    [{ LOG_LEVEL: 'hunter2' }, 'LOG_LEVEL: one of fatal, error, warn, info, debug, trace, silent'],
  ])('are reported in words: %o', (env, fault) => {
    expect(faultsOf({ ...debug, ...env })).toEqual([fault]);
  });

  test('of one setting do not hide those of others, nor the rules between them', () => {
    const wrong = { PORT: 'abc', SECRET_KEY: 'short', TEMPORAL_ADDRESS: 'temporal.example.com:7233' };
    expect(namesOf({ ...production, ...wrong })).toEqual([
      'PORT',
      'SECRET_KEY',
      'SECRET_KEY',
      'TEMPORAL_ADDRESS',
    ]);
  });

  test('never show a value', () => {
    const secrets = {
      DATABASE_URL: 'mysql://root:hunter2@db/x',
      STRIPE_SECRET_KEY: 'hunter2-stripe',
      STRIPE_WEBHOOK_SECRET: 'hunter2-hook',
      SECRET_KEY: 'hunter2',
      CLEANUP_TOKEN: 'hunter2',
      PORT: 'hunter2',
      DEBUG: 'hunter2',
      LOG_LEVEL: 'hunter2',
      TEMPORAL_TLS: 'hunter2',
    };
    const faults = faultsOf({ ...debug, ...secrets });
    expect(faults.length).toBeGreaterThanOrEqual(8);
    expect(faults.join('\n')).not.toContain('hunter2');
    const short = faultsOf({ ...production, SECRET_KEY: 'hunter2' });
    expect(short.join('\n')).toContain('SECRET_KEY');
    expect(short.join('\n')).not.toContain('hunter2');
  });

  test.each([
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['HOLD_MINUTES', '1441'],
    ['HOLD_MINUTES', 'Infinity'],
    ['FREE_CANCEL_HOURS', '-1'],
    ['BOOKING_HORIZON_DAYS', '0.5'],
    ['LIMIT_OPEN_HOLDS', '-1'],
    ['LIMIT_REPEATED_HOLDS', '0.5'],
    ['DATABASE_URL', 'http://localhost'],
    ['STRIPE_API_BASE', 'ftp://localhost'],
    ['STRIPE_WEBHOOK_SECRET', ','],
    ['STRIPE_PUBLISHABLE_KEY', 'sk_test_1'],
    ['TRUST_PROXY_HOPS', '11'],
    ['CLEANUP_TOKEN', 'too-short'],
    ['TEMPORAL_TLS_SERVER_CA_CERT_PATH', '/does/not/exist'],
    ['CORS_ORIGINS', 'https://app.example.com/'],
    ['CORS_ORIGINS', 'https://app.example.com/booking'],
    ['CORS_ORIGINS', 'https://App.example.com'],
    ['CORS_ORIGINS', 'https://app.example.com:443'],
    ['CORS_ORIGINS', 'app.example.com'],
    ['CORS_ORIGINS', 'localhost:5173'],
    ['CORS_ORIGINS', '*'],
    ['CORS_ORIGINS', 'https://app.example.com,https://shop.example/'],
  ])('%s=%s', (name, value) => {
    expect(namesOf({ ...debug, [name]: value })).toContain(name);
  });

  test('origins as a browser sends them are taken', () => {
    const { corsOrigins } = loadConfig({
      ...debug,
      CORS_ORIGINS: 'https://app.example.com, http://localhost:5173,http://[::1]:3000',
    }).http;
    expect(corsOrigins).toEqual(['https://app.example.com', 'http://localhost:5173', 'http://[::1]:3000']);
  });
});

describe('outside debug', () => {
  test('the usual settings are taken', () => {
    expect(faultsOf(production)).toEqual([]);
  });

  test.each([
    ['no SECRET_KEY', { SECRET_KEY: '' }, 'SECRET_KEY'],
    ['a short SECRET_KEY', { SECRET_KEY: '0123456789abcdef' }, 'SECRET_KEY'],
    ['a SECRET_KEY of one letter', { SECRET_KEY: 'a'.repeat(64) }, 'SECRET_KEY'],
    ['one good and one short SECRET_KEY', { SECRET_KEY: `${production.SECRET_KEY},short` }, 'SECRET_KEY'],
    ['the debug key', { SECRET_KEY: 'debug-only-secret-key-that-signs-nothing-real' }, 'SECRET_KEY'],
    ['no CLEANUP_TOKEN', { CLEANUP_TOKEN: '' }, 'CLEANUP_TOKEN'],
    ['a CLEANUP_TOKEN that is the SECRET_KEY', { CLEANUP_TOKEN: production.SECRET_KEY }, 'CLEANUP_TOKEN'],
  ])('%s is refused', (_, change, name) => {
    expect(namesOf({ ...production, ...change })).toContain(name);
  });

  test('in debug none of this is asked for', () => {
    expect(faultsOf(debug)).toEqual([]);
  });

  test.each(['your-secret-key-here', 'aaaaaaaa', 'debug-only-secret-key-that-signs-nothing-real'])(
    'in debug SECRET_KEY=%s, as a .env may carry it over, is taken',
    (key) => {
      expect(loadConfig({ ...debug, DEBUG: 'True', SECRET_KEY: key }).auth.secretKeys).toEqual([key]);
    },
  );

  test('in debug a SECRET_KEY of commas only counts as none', () => {
    expect(loadConfig({ ...debug, SECRET_KEY: ',' }).auth).toEqual(loadConfig(debug).auth);
  });

  test.each([undefined, '', 'false', '0', 'no', 'nonsense'])('isDebug: not with DEBUG=%s', (DEBUG) => {
    expect(isDebug({ DEBUG })).toBe(false);
  });
  test.each(['true', 'True', '1', 'yes', 'on'])('isDebug: with DEBUG=%s, as loadConfig', (DEBUG) => {
    expect(isDebug({ DEBUG })).toBe(true);
    expect(loadConfig({ ...debug, DEBUG }).debug).toBe(true);
  });
});

describe('the keys of the Stripe emulator', () => {
  test.each(Object.entries(emulatorKeys))('%s=%s is taken for debugging only', (name, key) => {
    expect(faultsOf({ ...debug, ...emulatorKeys })).toEqual([]);
    expect(namesOf({ ...production, [name]: key })).toContain(name);
  });

  test('are refused among several webhook secrets too', () => {
    const secrets = `whsec_123,${emulatorKeys.STRIPE_WEBHOOK_SECRET}`;
    expect(namesOf({ ...production, STRIPE_WEBHOOK_SECRET: secrets })).toEqual(['STRIPE_WEBHOOK_SECRET']);
  });
});

describe('TM-15 Temporal outside this machine', () => {
  const remote = { ...production, TEMPORAL_ADDRESS: 'temporal.example:7233' };
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'config-'));
    writeFileSync(join(dir, 'client.pem'), 'a certificate');
    writeFileSync(join(dir, 'client.key'), 'a key');
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  test('is refused without TLS, with the remedy', () => {
    const faults = faultsOf(remote);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(
      /^TEMPORAL_ADDRESS: .*TEMPORAL_TLS, TEMPORAL_API_KEY or.*TEMPORAL_ALLOW_PLAINTEXT/,
    );
  });

  test.each(['10.0.0.5:7233', '[2001:db8::1]:7233', 'localhost.example:7233', '0.0.0.0:7233'])(
    '%s is not this machine',
    (address) => {
      expect(namesOf({ ...remote, TEMPORAL_ADDRESS: address })).toEqual(['TEMPORAL_ADDRESS']);
    },
  );

  test.each(['localhost:7233', '127.0.0.1:7233', '127.5.0.1:1', '[::1]:7233', 'localhost'])(
    '%s is this machine',
    (address) => {
      expect(faultsOf({ ...remote, TEMPORAL_ADDRESS: address })).toEqual([]);
    },
  );

  test('TEMPORAL_TLS=false switches TLS off and so does not allow it, whatever else is set', () => {
    expect(namesOf({ ...remote, TEMPORAL_TLS: 'false' })).toEqual(['TEMPORAL_ADDRESS']);
    expect(namesOf({ ...remote, TEMPORAL_TLS: 'false', TEMPORAL_API_KEY: 'key' })).toEqual([
      'TEMPORAL_ADDRESS',
    ]);
  });

  test('is taken with TLS, an API key, or on purpose', () => {
    expect(loadConfig({ ...remote, TEMPORAL_TLS: 'true' }).temporal.tls).toEqual({});
    const withKey = loadConfig({ ...remote, TEMPORAL_API_KEY: 'key' }).temporal;
    expect(withKey).toMatchObject({ apiKey: 'key', tls: {} });
    expect(loadConfig({ ...remote, TEMPORAL_ALLOW_PLAINTEXT: 'true' }).temporal.tls).toBeUndefined();
  });

  test('mTLS needs both halves, and reads them from their files', () => {
    const crt = { TEMPORAL_TLS_CLIENT_CERT_PATH: join(dir, 'client.pem') };
    const key = { TEMPORAL_TLS_CLIENT_KEY_PATH: join(dir, 'client.key') };
    expect(faultsOf({ ...remote, ...crt }).join()).toContain('set both or none');
    const { tls } = loadConfig({ ...remote, ...crt, ...key }).temporal;
    expect(tls?.clientCertPair).toEqual({ crt: Buffer.from('a certificate'), key: Buffer.from('a key') });
  });

  test('certificates and keys may be given as text, in place of their files', () => {
    const { tls } = loadConfig({
      ...remote,
      TEMPORAL_TLS_SERVER_CA_CERT_DATA: 'an authority',
      TEMPORAL_TLS_CLIENT_CERT_DATA: 'a certificate',
      TEMPORAL_TLS_CLIENT_KEY_PATH: join(dir, 'client.key'),
    }).temporal;
    expect(tls).toEqual({
      serverRootCACertificate: Buffer.from('an authority'),
      clientCertPair: { crt: Buffer.from('a certificate'), key: Buffer.from('a key') },
    });
    const twice = {
      TEMPORAL_TLS_SERVER_CA_CERT_DATA: 'x',
      TEMPORAL_TLS_SERVER_CA_CERT_PATH: join(dir, 'client.pem'),
    };
    expect(namesOf({ ...remote, ...twice })).toEqual(['TEMPORAL_TLS_SERVER_CA_CERT_DATA']);
    expect(namesOf({ ...remote, TEMPORAL_TLS_CLIENT_KEY_DATA: 'a key' })).toContain(
      'TEMPORAL_TLS_CLIENT_CERT_PATH',
    );
  });

  test.each([
    [
      'TEMPORAL_TLS_SERVER_CA_CERT_DATA',
      'an authority',
      { serverRootCACertificate: Buffer.from('an authority') },
    ],
    ['TEMPORAL_TLS_SERVER_NAME', 'temporal.internal', { serverNameOverride: 'temporal.internal' }],
  ])('%s alone turns TLS on, unless TEMPORAL_TLS=false', (name, value, tls) => {
    expect(loadConfig({ ...remote, [name]: value }).temporal.tls).toEqual(tls);
    expect(loadConfig({ ...debug, [name]: value, TEMPORAL_TLS: 'false' }).temporal.tls).toBeUndefined();
  });

  test('a server that is not verified is refused, not quietly verified', () => {
    const lax = { ...remote, TEMPORAL_TLS: 'true', TEMPORAL_TLS_DISABLE_HOST_VERIFICATION: 'true' };
    expect(faultsOf(lax).join()).toMatch(
      /^TEMPORAL_TLS_DISABLE_HOST_VERIFICATION: .*TEMPORAL_TLS_SERVER_NAME/,
    );
    expect(faultsOf({ ...lax, TEMPORAL_TLS_DISABLE_HOST_VERIFICATION: 'false' })).toEqual([]);
  });

  test('plaintext may be allowed for one address', () => {
    const allowed = { TEMPORAL_ALLOW_PLAINTEXT: 'temporal.example:7233' };
    expect(loadConfig({ ...remote, ...allowed }).temporal.tls).toBeUndefined();
    expect(namesOf({ ...remote, ...allowed, TEMPORAL_ADDRESS: 'other.example:7233' })).toEqual([
      'TEMPORAL_ADDRESS',
    ]);
    expect(namesOf({ ...remote, TEMPORAL_ALLOW_PLAINTEXT: 'perhaps' })).toEqual(['TEMPORAL_ALLOW_PLAINTEXT']);
  });

  test('in debug plain is enough', () => {
    expect(faultsOf({ ...debug, TEMPORAL_ADDRESS: 'temporal:7233' })).toEqual([]);
  });
});

describe('keys of Stripe that do not belong together', () => {
  test.each([
    ['sk_live_1', 'pk_test_1'],
    ['sk_test_1', 'pk_live_1'],
    ['rk_live_1', 'pk_test_1'],
    ['rk_test_1', 'pk_live_1'],
    ['sk_test_emulator', 'pk_test_1'],
    ['sk_live_1', 'pk_test_emulator'],
  ])('%s with %s is named at the start', (secret, publishable) => {
    const keys = { STRIPE_SECRET_KEY: secret, STRIPE_PUBLISHABLE_KEY: publishable };
    const [fault = ''] = faultsOf({ ...debug, ...keys });
    expect(fault).toMatch(/^STRIPE_PUBLISHABLE_KEY: .*STRIPE_SECRET_KEY/);
    expect(fault).not.toContain(secret);
  });

  test.each([
    ['sk_live_1', 'pk_live_1'],
    ['rk_live_1', 'pk_live_1'],
    ['sk_test_1', 'pk_test_1'],
    ['sk_test_emulator', 'pk_test_emulator'],
  ])('%s with %s is taken', (secret, publishable) => {
    const keys = { STRIPE_SECRET_KEY: secret, STRIPE_PUBLISHABLE_KEY: publishable };
    expect(faultsOf({ ...debug, ...keys })).toEqual([]);
  });

  test('a live key is not sent without TLS', () => {
    const settings = { STRIPE_SECRET_KEY: 'sk_live_1', STRIPE_API_BASE: 'http://127.0.0.1:12111' };
    expect(namesOf({ ...debug, ...settings })).toEqual(['STRIPE_API_BASE']);
  });
});
