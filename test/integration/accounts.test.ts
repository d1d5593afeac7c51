import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rows } from '../../db/knex.ts';
import { cookieOf, cookiesOf, deviceOf, expectProblem, someAddress } from '../factories.ts';
import { startSystem, type System } from '../setup/system.ts';

const password = 'correct horse battery';
const newEmail = () => `${randomUUID()}@example.com`;

describe('accounts', () => {
  let system: System;
  beforeAll(async () => {
    system = await startSystem({
      worker: false,
      settings: { LIMIT_LOGIN_FAILURES: '3', LIMIT_REGISTRATIONS: '4', TRUST_PROXY_HOPS: '1' },
    });
  });
  afterAll(() => system.stop());

  /** Sends from its own address by default, so that tests do not share limits. */
  const post = (path: string, body: unknown, from = someAddress()) =>
    system.call('POST', path, { body, headers: { 'X-Forwarded-For': from } });
  const register = (email: string, differing: Record<string, unknown> = {}, from?: string) =>
    post('/api/register/', { email, password, confirm_password: password, ...differing }, from);
  const login = (email: string, word = password, from?: string) =>
    post('/api/login/', { email, password: word }, from);

  /** Counts a failed guess, as a login does, without the time that a password takes. */
  const fail = async (account: string, address = someAddress()) => {
    const attempt = await system.server.deps.attempts.beginLogin({ account, address, deviceId: undefined });
    await attempt.end('counts');
  };

  test.each(['/api/register/', '/api/register'])('%s makes an account', async (path) => {
    const email = newEmail();
    const answer = await post(path, { email, password, confirm_password: password });
    expect(answer.status).toBe(201);
    expect(answer.body).toEqual({ message: 'Registration successful', user_id: expect.any(Number) });
    const stored = await rows(
      system.db,
      'select email, is_staff, is_superuser, is_active from users where id = ?',
      [answer.body.user_id],
    );
    expect(stored).toEqual([{ email, is_staff: false, is_superuser: false, is_active: true }]);
  });

  test('AU-12 the password is stored as an argon2id hash of at least 19 MiB and two passes', async () => {
    const { body } = await register(newEmail());
    const [user] = await rows<{ password_hash: string }>(
      system.db,
      'select password_hash from users where id = ?',
      [body.user_id],
    );
    expect(user?.password_hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  });

  test.each<[string, Record<string, unknown>, string]>([
    ['no e-mail', { email: undefined }, 'email'],
    ['an e-mail that is none', { email: 'nobody' }, 'email'],
    ['an e-mail without a dot in its domain', { email: 'a@localhost' }, 'email'],
    ['an e-mail that is a number', { email: 7 }, 'email'],
    ['no password', { password: undefined }, 'password'],
    ['no confirmation', { confirm_password: undefined }, 'confirm_password'],
    [
      'a password of 1025 bytes',
      { password: 'ä'.repeat(513), confirm_password: 'ä'.repeat(513) },
      'password',
    ],
  ])('registration refuses %s', async (_, differing, field) => {
    expectProblem(await register(newEmail(), differing), 'invalid_request', field);
  });

  test('registration refuses passwords that differ', async () => {
    expectProblem(
      await register(newEmail(), { confirm_password: 'other' }),
      'passwords_differ',
      'confirm_password',
    );
  });

  test.each(['short', '12345678', 'aaaaaaaaaaaa', 'PASSWORD1'])(
    'registration refuses the weak password %s',
    async (weak) => {
      const answer = await register(newEmail(), { password: weak, confirm_password: weak });
      expectProblem(answer, 'password_too_weak', 'password');
    },
  );

  test('registration refuses one’s own address as the password', async () => {
    const email = newEmail();
    const answer = await register(email, { password: email, confirm_password: email });
    expectProblem(answer, 'password_too_weak', 'password');
  });

  test('AZ-03 nobody registers as staff', async () => {
    for (const field of ['is_staff', 'is_superuser', 'is_active', 'id', 'role', 'created_at']) {
      expectProblem(await register(newEmail(), { [field]: true }), 'invalid_request', field);
    }
    expect(await rows(system.db, 'select 1 from users where is_staff or is_superuser')).toEqual([]);
  });

  test('AU-17 two spellings of an e-mail registered at once make one account, and both log in', async () => {
    const email = newEmail();
    const spellings = [email, email.toUpperCase(), ` ${email} `, `\t${email}`];
    const answers = await Promise.all(spellings.map((spelling) => register(spelling)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409]);
    for (const answer of answers.filter(({ status }) => status === 409)) expectProblem(answer, 'email_taken');
    expect((await login(email.toUpperCase())).body).toMatchObject({ email });
  });

  test('AU-17 look-alikes of an e-mail are refused, a +tag is another address', async () => {
    const name = randomUUID();
    expect((await register(`i${name}@example.com`)).status).toBe(201);
    for (const alike of ['ı', 'İ', 'ｉ', 'і']) {
      expectProblem(await register(`${alike}${name}@example.com`), 'invalid_request', 'email');
    }
    expect((await register(`i${name}+tag@example.com`)).status).toBe(201);
  });

  test.each(['/api/login/', '/api/login'])('%s answers with the user and an access token', async (path) => {
    const email = newEmail();
    const { body } = await register(email);
    const answer = await post(path, { email, password });
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({
      message: 'Login successful',
      user_id: body.user_id,
      email,
      is_staff: false,
      is_superuser: false,
      access: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
    });
    const mine = await system.call('GET', '/api/bookings/', { token: answer.body.access });
    expect(mine.status).toBe(200);
  });

  test('AU-14 a wrong password and an unknown e-mail get the same answer', async () => {
    const email = newEmail();
    await register(email);
    const [wrong, unknown, noAddress] = await Promise.all([
      login(email, 'not the password'),
      login(newEmail()),
      login('nobody'),
    ]);
    for (const answer of [wrong, unknown, noAddress]) {
      expectProblem(answer, 'invalid_credentials');
      expect({ ...answer.body, instance: '' }).toEqual({ ...wrong.body, instance: '' });
      expect(answer.headers.getSetCookie()).toEqual([]);
    }
  });

  test('a disabled account cannot log in', async () => {
    const email = newEmail();
    const { body } = await register(email);
    await rows(system.db, 'update users set is_active = false where id = ?', [body.user_id]);
    expectProblem(await login(email), 'invalid_credentials');
  });

  test('AU-16 after three failures from one address an account is closed to it, for a time', async () => {
    const email = newEmail();
    const from = someAddress();
    await register(email);
    for (let failure = 0; failure < 3; failure++) {
      expectProblem(await login(email, 'wrong password', from), 'invalid_credentials');
    }
    const throttled = await login(email, password, from);
    expectProblem(throttled, 'too_many_requests');
    const seconds = Number(throttled.headers.get('Retry-After'));
    expect(seconds).toBeGreaterThan(800);
    expect(seconds).toBeLessThanOrEqual(900);
    await rows(system.db, 'update rate_limits set expire = 1');
    expect((await login(email, password, from)).status).toBe(200);
  });

  test('AU-16 ten failures from ten addresses lock nobody out', async () => {
    const email = newEmail();
    await register(email);
    for (let failure = 0; failure < 10; failure++) {
      expectProblem(await login(email, 'wrong password'), 'invalid_credentials');
    }
    expect((await login(email)).status).toBe(200);
  });

  test('AU-16 guesses from everywhere are bounded, an unknown account’s as well', async () => {
    const [known, unknown] = [newEmail(), newEmail()];
    await register(known);
    for (const email of [known, unknown]) {
      for (let guess = 0; guess < 29; guess++) await fail(email);
      expectProblem(await login(email, 'wrong password'), 'invalid_credentials');
      expectProblem(await login(email), 'too_many_requests');
      expect((await login(newEmail(), 'wrong password')).status).toBe(401);
    }
  });

  test('AU-16 of simultaneous guesses no more are checked than the limit allows', async () => {
    const email = newEmail();
    const from = someAddress();
    await register(email);
    const guesses = Array.from({ length: 12 }, () => login(email, 'wrong password', from));
    const statuses = (await Promise.all(guesses)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 401)).toHaveLength(3);
    expect(statuses.filter((status) => status === 429)).toHaveLength(9);
  });

  test('AU-16 more simultaneous valid logins than the limit are told to retry in a second', async () => {
    const email = newEmail();
    const from = someAddress();
    await register(email);
    const answers = await Promise.all(Array.from({ length: 9 }, () => login(email, password, from)));
    const refused = answers.filter(({ status }) => status !== 200);
    for (const answer of refused) {
      expectProblem(answer, 'too_many_requests');
      expect(answer.headers.get('Retry-After')).toBe('1');
    }
    expect(answers.length - refused.length).toBeGreaterThanOrEqual(3);
    for (let turn = 0; turn < 4; turn++) expect((await login(email, password, from)).status).toBe(200);
  });

  test('a successful login forgets the failures before it', async () => {
    const email = newEmail();
    const from = someAddress();
    await register(email);
    for (const word of ['wrong', 'wrong again', password, 'wrong', 'wrong again', password]) {
      expect((await login(email, word, from)).status).toBe(word === password ? 200 : 401);
    }
  });

  test('AU-16 one address that fails with many accounts is throttled, others are not', async () => {
    const from = someAddress();
    for (let failure = 0; failure < 15; failure++) {
      expect((await login(newEmail(), 'wrong password', from)).status).toBe(401);
    }
    expectProblem(await login(newEmail(), 'wrong password', from), 'too_many_requests');
    expectProblem(await login(newEmail(), 'wrong password'), 'invalid_credentials');
  });

  test('HT-06 AU-16 the addresses of one IPv6 network count as one', async () => {
    const from = (network: string, host: number) => `2001:db8:${network}::${host.toString(16)}`;
    const answers = [];
    for (let host = 1; host <= 5; host++) {
      answers.push((await register(newEmail(), {}, from('1:2', host))).status);
    }
    expect(answers).toEqual([201, 201, 201, 201, 429]);
    expect((await register(newEmail(), {}, from('1:3', 1))).status).toBe(201);
    for (let host = 1; host <= 15; host++) {
      expect((await login(newEmail(), 'wrong password', from('1:4', host))).status).toBe(401);
    }
    expectProblem(await login(newEmail(), 'wrong password', from('1:4', 16)), 'too_many_requests');
  });

  test('HT-06 an address is one however a proxy writes it: with ports, as IPv6, with spaces', async () => {
    const from = someAddress();
    const spellings = [
      `${from}:1001`,
      ` ${from}:1002 `,
      `[::ffff:${from}]:1003`,
      `::ffff:${from}`,
      `"${from}:1004"`,
    ];
    const answers = [];
    for (const spelling of spellings) answers.push((await register(newEmail(), {}, spelling)).status);
    expect(answers).toEqual([201, 201, 201, 201, 429]);
  });

  test('HT-06 an address cannot hide behind a forged X-Forwarded-For', async () => {
    const from = someAddress();
    const answers = [];
    for (let turn = 0; turn < 5; turn++) {
      answers.push((await register(newEmail(), {}, `${someAddress()}, ${from}`)).status);
    }
    expect(answers).toEqual([201, 201, 201, 201, 429]);
  });

  describe('a device that has logged in before', () => {
    const withDevice = (email: string, word: string, device: string, from = someAddress()) =>
      system.call('POST', '/api/login/', {
        body: { email, password: word },
        headers: { 'X-Forwarded-For': from, Cookie: device },
      });
    /** An account, the device cookie of its owner, and the address of a stranger who has used up every limit. */
    async function underAttack() {
      const email = newEmail();
      await register(email);
      const device = deviceOf(await login(email));
      const from = someAddress();
      for (let guess = 0; guess < 3; guess++) await fail(email, from);
      for (let guess = 0; guess < 12; guess++) await fail(newEmail(), from);
      for (let guess = 0; guess < 27; guess++) await fail(email);
      return { email, device, from };
    }

    test('AU-10 gets a cookie of 180 days, after the one of its session', async () => {
      const email = newEmail();
      await register(email);
      const answer = await login(email);
      expect(cookieOf(answer)?.pair).toMatch(/^refresh_token=/);
      const [, device] = cookiesOf(answer);
      expect(device?.pair).toMatch(/^device=[\w-]{75}$/);
      expect(device?.attributes).toEqual(['Path=/', 'HttpOnly', 'SameSite=Strict', 'Max-Age=15552000']);
    });

    test('AU-16 always gets in with the right password, whatever strangers do, also from their address', async () => {
      const { email, device, from } = await underAttack();
      expectProblem(await login(email), 'too_many_requests');
      expect((await withDevice(email, password, device)).status).toBe(200);
      expect((await withDevice(email, password, device, from)).status).toBe(200);
      expectProblem(await login(email), 'too_many_requests');
    });

    test('AU-16 is treated like a stranger’s after too many failures of its own', async () => {
      const { email, device } = await underAttack();
      for (let guess = 0; guess < 3; guess++) {
        expectProblem(await withDevice(email, 'wrong password', device), 'invalid_credentials');
      }
      expectProblem(await withDevice(email, password, device), 'too_many_requests');
    });

    test('AU-16 is known to no other account', async () => {
      const { email } = await underAttack();
      const other = newEmail();
      await register(other);
      const device = deviceOf(await login(other));
      expectProblem(await withDevice(email, password, device), 'too_many_requests');
    });

    test.each<[string, (device: string) => string]>([
      ['forged', (device) => device.replace(/.$/, (last) => (last === 'A' ? 'E' : 'A'))],
      ['cut off', (device) => device.slice(0, -1)],
      ['nonsense', () => 'device=nonsense'],
      ['a refresh token', (device) => `device=${device.slice(-43)}`],
    ])('AU-16 is not believed by a cookie that is %s', async (_, change) => {
      const { email, device } = await underAttack();
      expectProblem(await withDevice(email, password, change(device)), 'too_many_requests');
      expect((await withDevice(email, password, device)).status).toBe(200);
    });

    test('AU-16 knows the accounts of several people', async () => {
      const [mine, theirs] = [newEmail(), newEmail()];
      for (const email of [mine, theirs]) await register(email);
      const device = deviceOf(await withDevice(theirs, password, deviceOf(await login(mine))));
      for (const email of [mine, theirs]) {
        for (let guess = 0; guess < 30; guess++) await fail(email);
        expectProblem(await login(email), 'too_many_requests');
        expect((await withDevice(email, password, device)).status).toBe(200);
      }
    });
  });

  test('HT-07 a registration that timed out does not count', async () => {
    const from = someAddress();
    const { passwords } = system.server.deps;
    const busy = Array.from({ length: 18 }, () => passwords.hash('another password'));
    expectProblem(await register(newEmail(), {}, from), 'overloaded');
    await Promise.all(busy);
    const statuses = [];
    for (let turn = 0; turn < 5; turn++) statuses.push((await register(newEmail(), {}, from)).status);
    expect(statuses).toEqual([201, 201, 201, 201, 429]);
  });
});
