import { randomUUID } from 'node:crypto';
import { hash } from '@node-rs/argon2';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rows } from '../../db/knex.ts';
import { cookieOf, expectProblem } from '../factories.ts';
import { givePassword, openBrowser } from '../setup/panel.ts';
import { startSystem, type System, type TestUser, until } from '../setup/system.ts';
import { timely } from '../security/run.ts';

describe('passwords', () => {
  let system: System;
  beforeAll(async () => {
    system = await startSystem({
      worker: false,
      settings: { LIMIT_LOGIN_FAILURES: '0', LIMIT_REGISTRATIONS: '0' },
    });
  });
  afterAll(() => system.stop());

  const login = (email: string, password: string) =>
    system.call('POST', '/api/login/', { body: { email, password } });

  async function giveOutdatedHash({ id }: TestUser, password: string): Promise<string> {
    const outdated = await hash(password, { algorithm: 2, memoryCost: 8_192, timeCost: 1, parallelism: 1 });
    await system.db('users').where({ id }).update({ password_hash: outdated });
    return outdated;
  }

  test('AU-12 a hash of a lower cost is made anew at the next login, and only then', async () => {
    const user = await system.newUser();
    const password = 'an old password';
    const stored = async () =>
      (await system.db('users').where({ id: user.id }).first()).password_hash as string;
    const old = await giveOutdatedHash(user, password);
    expect((await login(user.email, 'not this one')).status).toBe(401);
    expect(await stored()).toBe(old);
    expect((await login(user.email, password)).status).toBe(200);
    const fresh = await stored();
    expect(fresh).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect((await login(user.email, password)).status).toBe(200);
    expect(await stored()).toBe(fresh);
  });

  test('AU-12 every character of a long password counts, whatever it is', async () => {
    const email = `${randomUUID()}@example.com`;
    const password = `Ω \u0000 "'\\ 🔑 ${'x'.repeat(900)}`;
    const body = { email, password: `${password}1`, confirm_password: `${password}1` };
    expect((await system.call('POST', '/api/register/', { body })).status).toBe(201);
    expect((await login(email, `${password}1`)).status).toBe(200);
    for (const other of [password, `${password}2`, password.trim(), `${password}1`.replace('\u0000', '')]) {
      expect((await login(email, other)).status).toBe(401);
    }
  });

  test('AU-12 a password of a megabyte is refused before anything is hashed', async () => {
    const begun = performance.now();
    expectProblem(await login('a@example.com', 'x'.repeat(1_048_576)), 'payload_too_large');
    expectProblem(await login('a@example.com', 'x'.repeat(60_000)), 'invalid_request', 'password');
    expect(performance.now() - begun).toBeLessThan(timely(2_000));
  });

  test('AU-09 a disabled account gets no new access token for its cookie', async () => {
    const user = await system.newUser();
    const Cookie = cookieOf(await login(user.email, await givePassword(system, user)))?.pair ?? '';
    await system.db('users').where({ id: user.id }).update({ is_active: false });
    const answer = await system.call('POST', '/api/token/refresh-cookie/', { headers: { Cookie } });
    expectProblem(answer, 'invalid_refresh_token');
  });

  describe('AU-09 a login under way while the password is reset', () => {
    /** Asks while a reset is not committed yet, which is committed when the login has to wait for it. */
    async function askDuringReset<T>(user: TestUser, ask: () => Promise<T>): Promise<T> {
      const trx = await system.db.transaction();
      await trx('users').where({ id: user.id }).update({ password_hash: 'the new hash' });
      const answer = ask();
      const waits = () =>
        rows(
          system.db,
          `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
        );
      await until('the login waits', async () => (await waits()).length > 0).finally(() => trx.commit());
      return answer;
    }
    const nothingBegan = async ({ id }: TestUser) => {
      expect(await system.db('sessions').where({ user_id: id })).toEqual([]);
      expect(await system.db('users').where({ id }).first()).toMatchObject({ password_hash: 'the new hash' });
    };

    test('begins no session', async () => {
      const user = await system.newUser();
      const password = await givePassword(system, user);
      const answer = await askDuringReset(user, () => login(user.email, password));
      expectProblem(answer, 'invalid_credentials');
      expect(cookieOf(answer)).toBeUndefined();
      await nothingBegan(user);
    });

    test('does not open the staff panel', async () => {
      const user = await system.newUser({ isStaff: true });
      const password = await givePassword(system, user);
      const browser = openBrowser(system);
      const answer = await askDuringReset(user, () => browser.signIn(user.email, password));
      expect(answer.status).toBe(401);
      expect(answer.text).toContain('Invalid email or password.');
      await nothingBegan(user);
    });

    test('does not bring the old password back', async () => {
      const user = await system.newUser();
      await giveOutdatedHash(user, 'an old password');
      const answer = await askDuringReset(user, () => login(user.email, 'an old password'));
      expectProblem(answer, 'invalid_credentials');
      await nothingBegan(user);
    });
  });

  test('AU-12 logins at once that all find an outdated hash all succeed', async () => {
    const user = await system.newUser();
    await giveOutdatedHash(user, 'an old password');
    const logins = Array.from({ length: 4 }, () => login(user.email, 'an old password'));
    expect((await Promise.all(logins)).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  });

  test('HT-05 an idle connection outlives the minute of a load balancer', async () => {
    const { headers } = await fetch(`${system.url}/livez`);
    expect(Number(/timeout=(\d+)/.exec(headers.get('Keep-Alive') ?? '')?.[1])).toBeGreaterThan(60);
  });
});
