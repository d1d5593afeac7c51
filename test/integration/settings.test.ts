import { randomBytes, randomUUID } from 'node:crypto';
import jwt from 'jsonwebtoken';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { seed } from '../../db/seed.ts';
import { cookieOf, deviceOf, expectProblem, newBooking } from '../factories.ts';
import { startSystem, type System, until } from '../setup/system.ts';
import { timely } from '../security/run.ts';

const [newKey, oldKey] = [randomBytes(32).toString('hex'), randomBytes(32).toString('hex')];
const cleanupToken = randomBytes(16).toString('hex');
const password = 'correct horse battery';

describe('the settings of production', () => {
  let system: System;
  let log = '';
  beforeAll(async () => {
    system = await startSystem({
      worker: false,
      logTo: { write: (line: string) => void (log += line) },
      settings: {
        DEBUG: 'false',
        STRIPE_SECRET_KEY: 'sk_test_not_of_the_emulator',
        STRIPE_PUBLISHABLE_KEY: 'pk_test_not_of_the_emulator',
        STRIPE_WEBHOOK_SECRET: 'whsec_not_of_the_emulator',
        SECRET_KEY: `${newKey},${oldKey}`,
        CLEANUP_TOKEN: cleanupToken,
        LIMIT_REQUESTS: '60',
        TRUST_PROXY_HOPS: '1',
      },
    });
  });
  afterAll(() => system.stop());

  const from = (address: string) => ({ 'X-Forwarded-For': address });

  async function newLogin() {
    const email = `${randomUUID()}@example.com`;
    const headers = from('198.18.1.1');
    await system.call('POST', '/api/register/', {
      body: { email, password, confirm_password: password },
      headers,
    });
    return {
      email,
      answer: await system.call('POST', '/api/login/', { body: { email, password }, headers }),
    };
  }

  test('AU-10 the refresh cookie is __Host-, Secure, HttpOnly, SameSite=Strict, also behind a TLS proxy', async () => {
    const { answer } = await newLogin();
    expect(answer.status).toBe(200);
    const cookie = cookieOf(answer);
    expect(cookie?.pair).toMatch(/^__Host-refresh_token=[\w-]{43}$/);
    expect(cookie?.attributes).toEqual(['Path=/', 'HttpOnly', 'SameSite=Strict', 'Max-Age=604800', 'Secure']);
    const refreshed = await system.call('POST', '/api/token/refresh-cookie/', {
      headers: { Cookie: cookie?.pair ?? '', ...from('198.18.1.1') },
    });
    expect(refreshed.status).toBe(200);
    expect(cookieOf(refreshed)?.attributes).toEqual(cookie?.attributes);
  });

  test('AU-10 the cookie of debug, which any subdomain could set, is not taken', async () => {
    const { answer } = await newLogin();
    const Cookie = `refresh_token=${cookieOf(answer)?.value}`;
    const refreshed = await system.call('POST', '/api/token/refresh-cookie/', {
      headers: { Cookie, ...from('198.18.1.1') },
    });
    expectProblem(refreshed, 'invalid_refresh_token');
  });

  test('AU-03 the first key signs, every key verifies', async () => {
    const { answer } = await newLogin();
    const token = answer.body.access as string;
    expect(() => jwt.verify(token, newKey)).not.toThrow();
    expect(() => jwt.verify(token, oldKey)).toThrow();
    const older = jwt.sign(jwt.decode(token) as object, oldKey, { header: { alg: 'HS256', typ: 'at+jwt' } });
    expect((await system.call('GET', '/api/bookings/', { token: older })).status).toBe(200);
  });

  test.each([
    ['do not exist', async () => {}],
    ['open nothing where a trial with DEBUG has left them', () => seed(system.db, { accounts: true })],
  ])('AU-18 the test accounts %s', async (_, prepare) => {
    await prepare();
    for (const email of ['admin@gmail.com', 'longtran20014@gmail.com']) {
      const answer = await system.call('POST', '/api/login/', { body: { email, password: '123456Long' } });
      expectProblem(answer, 'invalid_credentials');
    }
  });

  test('OB-06 the cleanup call wants its token, exactly', async () => {
    const guest = await system.newUser();
    const path = '/api/cleanup-expired-bookings';
    for (const token of [
      undefined,
      '',
      `${cleanupToken}x`,
      cleanupToken.slice(1),
      cleanupToken.toUpperCase(),
      guest.token,
    ]) {
      const answer = await system.call(
        'POST',
        path,
        token === undefined ? {} : { headers: { Authorization: `Bearer ${token}` } },
      );
      expectProblem(answer, 'unauthenticated');
      expect(answer.headers.get('WWW-Authenticate')).toBe('Bearer');
    }
    const { status, body } = await system.call('POST', path, { token: cleanupToken });
    expect([status, body]).toEqual([200, { expired: 0, confirmed: 0, completed: 0, left: 0 }]);
  });

  test('LIMIT_REQUESTS refuses the 61st request of an address in a minute, but never the probes, nor the files of the pages', async () => {
    const headers = from('198.18.2.2');
    const statuses = [];
    for (let n = 0; n < 61; n++) statuses.push((await system.call('GET', '/api/rooms/', { headers })).status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(60);
    const refused = await system.call('GET', '/api/rooms', { headers });
    expectProblem(refused, 'too_many_requests');
    expect(Number(refused.headers.get('Retry-After'))).toBeLessThanOrEqual(60);
    for (const path of ['/livez', '/readyz', '/livez/', '/site/app.js']) {
      expect((await system.call('GET', path, { headers })).status).toBe(200);
    }
    expect((await system.call('GET', '/api/rooms/', { headers: from('198.18.2.3') })).status).toBe(200);
  });

  test('LIMIT_REQUESTS of an address that strangers have used up does not stop clients with a valid token', async () => {
    const address = from('198.18.2.4');
    const { email, answer } = await newLogin();
    const Cookie = deviceOf(answer);
    expect(Cookie).toMatch(/^__Host-device=/);
    const rooms = (headers: Record<string, string>) => system.call('GET', '/api/rooms/', { headers });
    for (let n = 0; n < 60; n++) await rooms(address);
    expectProblem(await rooms(address), 'too_many_requests');
    expectProblem(await rooms({ ...address, Cookie: `${Cookie}x` }), 'too_many_requests');
    expectProblem(await rooms({ ...address, Authorization: 'Bearer nonsense' }), 'too_many_requests');

    const login = { body: { email, password }, headers: { ...address, Cookie } };
    const again = await system.call('POST', '/api/login/', login);
    expect(again.status).toBe(200);
    const own = { ...address, Authorization: `Bearer ${again.body.access}` };
    expect((await rooms(own)).status).toBe(200);
    // The cookie and the token are of one account, which has a limit of its own.
    for (let n = 0; n < 58; n++) await rooms(n % 2 ? own : { ...address, Cookie });
    expectProblem(await rooms(own), 'too_many_requests');
  });

  test('OP-01 the log has a JSON line a request, with its id, and no secret or e-mail', async () => {
    const { email, answer } = await newLogin();
    const cookie = cookieOf(answer);
    const guest = await system.newUser();
    const booking = await newBooking(system, guest, { special_requests: 'a canary sings' });
    expect(booking.special_requests).toBe('a canary sings');
    const listed = await system.call('GET', '/api/bookings/?limit=1', { token: guest.token });
    const lines = await until('the log', async () => {
      const found = log
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      return JSON.stringify(found).includes(listed.headers.get('X-Request-Id') ?? 'none') && found;
    });
    expect(lines.length).toBeGreaterThan(5);
    for (const secret of [
      password,
      email,
      guest.email,
      answer.body.access,
      guest.token,
      cookie?.value,
      'whsec_',
      'sk_test',
      cleanupToken,
      newKey,
      'a canary sings',
      '123456Long',
    ]) {
      expect(log).not.toContain(secret);
    }
  });

  test('AU-13 while many log in at once, other requests are answered, and what is too much is refused with 503', async () => {
    const logins = Array.from({ length: 40 }, (_, n) =>
      system.call('POST', '/api/login/', {
        body: { email: `${n}@example.com`, password },
        headers: from(`198.18.3.${n}`),
      }),
    );
    const waits: number[] = [];
    for (let n = 0; n < 10; n++) {
      const begun = performance.now();
      expect((await system.call('GET', '/api/rooms/', { headers: from('198.18.4.4') })).status).toBe(200);
      waits.push(performance.now() - begun);
    }
    const answers = await Promise.all(logins);
    expect(Math.max(...waits)).toBeLessThan(timely(1_000));
    for (const answer of answers)
      expectProblem(answer, answer.status === 503 ? 'overloaded' : 'invalid_credentials');
    expect(answers.some(({ status }) => status === 503)).toBe(true);
    expect(answers.some(({ status }) => status === 401)).toBe(true);
  });
});

test('TEMPORAL_TLS=false with an API key: Temporal is spoken to in plaintext, as it says', async () => {
  const system = await startSystem({
    settings: { TEMPORAL_API_KEY: 'a key for a proxy', TEMPORAL_TLS: 'false' },
  });
  try {
    // Its worker has asked for work in a moment.
    const isReady = async () => (await system.call('GET', '/readyz')).body.worker === 'ok';
    await until('the API to see Temporal and its worker', isReady);
  } finally {
    await system.stop();
  }
});
