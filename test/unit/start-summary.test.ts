import { describe, expect, test } from 'vitest';
import { demoAccounts, demoPassword } from '../../db/seed.ts';
import { type System, urlOf } from '../../dev/services.ts';
import type { StartSettings } from '../../dev/settings.ts';
import { describeSystem } from '../../dev/summary.ts';

const env = {
  DATABASE_URL: 'postgres://booking_app:one@127.0.0.1:15432/booking',
  MIGRATE_DATABASE_URL: 'postgres://booking_owner:two@127.0.0.1:15432/booking',
  TEMPORAL_ADDRESS: '127.0.0.1:17233',
};

/** The text of `npm start`. No API answers, so its example takes a slot without checking. */
function summary(change: NodeJS.ProcessEnv, external: Partial<StartSettings['external']> = {}) {
  const system: System = {
    env: { ...env, ...change },
    apiUrl: 'http://127.0.0.1:1',
    temporalUiUrl: undefined,
  };
  const ours = { postgres: false, temporal: false, stripe: false };
  return describeSystem(system, { env: {}, dataDir: '/data', external: { ...ours, ...external } });
}

describe('what npm start says', () => {
  test('names the addresses of its own Postgres, for the command line', async () => {
    const said = await summary({});
    expect(said).toMatch(new RegExp(`^ {2}Database +${env.DATABASE_URL}$`, 'm'));
    expect(said).toMatch(new RegExp(`^ {2}Database owner +${env.MIGRATE_DATABASE_URL}$`, 'm'));
  });

  test('keeps the address of a Postgres of somebody else to itself', async () => {
    expect(await summary({}, { postgres: true })).not.toContain('postgres://');
  });

  test.each(['true', 'True', '1'])('names the demo accounts with DEBUG=%s', async (DEBUG) => {
    const [line] = (await summary({ DEBUG })).split('\n').filter((one) => one.startsWith('  Accounts'));
    for (const text of [...demoAccounts.map(({ email }) => email), demoPassword])
      expect(line).toContain(text);
  });

  test('names no account without DEBUG, when there is none', async () => {
    expect(await summary({ DEBUG: 'False' })).not.toContain('  Accounts');
  });
});

test.each([
  ['127.0.0.1', 'http://127.0.0.1:8000'],
  ['0.0.0.0', 'http://127.0.0.1:8000'],
  ['::', 'http://127.0.0.1:8000'],
  ['::1', 'http://[::1]:8000'],
  ['booking.local', 'http://booking.local:8000'],
])('with HOST=%s npm start reaches the API at %s', (host, url) => {
  expect(urlOf(host, 8000)).toBe(url);
  expect(URL.canParse(url)).toBe(true);
});
