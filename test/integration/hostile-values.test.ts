import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bookingBody, expectProblem } from '../factories.ts';
import { startSystem, type System, type TestUser } from '../setup/system.ts';

/** What Postgres, JSON or a parser chokes on, as JSON text: some of it JavaScript cannot write. */
const hostile = {
  NUL: '"a\\u0000b"',
  'half a surrogate pair': '"\\ud800"',
  'the other half': '"\\udc00x"',
  '1e309': '1e309',
  '-1e309': '-1e309',
  'minus zero': '-0',
  '2^31': '2147483648',
  '2^63': '9223372036854775808',
  '2^64 as text': '"18446744073709551616"',
  infinity: '"infinity"',
  'year 300000': '"300000-01-01"',
  'a date before all': '"0001-01-01"',
  'a year with a sign': '"+012027-01-01"',
  'a leap second': '"23:59:60"',
  'a uuid, almost': '"00000000-0000-0000-0000-00000000000g"',
  injection: '"1; drop table bookings; --"',
  'a quote': '"\'"',
  'a format string': '"%s%n${x}"',
  'a long text': `"${'x'.repeat(5_000)}"`,
  null: 'null',
  true: 'true',
  'an array': '[1]',
  'an object': '{"$gt":0}',
  'an empty text': '""',
  'right-to-left': '"\\u202egnp.exe"',
};

describe('hostile values', () => {
  let system: System;
  let guest: TestUser;
  let staff: TestUser;
  beforeAll(async () => {
    system = await startSystem({
      worker: false,
      settings: { LIMIT_LOGIN_FAILURES: '0', LIMIT_REGISTRATIONS: '0' },
    });
    [guest, staff] = await Promise.all([system.newUser(), system.newUser({ isStaff: true })]);
  });
  afterAll(() => system.stop());

  const bodies = {
    '/api/bookings/': { ...bookingBody(1), special_requests: 'x', user_id: 1 },
    '/api/payment-intent/': { booking_id: 999_999, amount: 40, currency: 'usd' },
    '/api/register/': {
      email: 'a@example.com',
      password: 'correct horse',
      confirm_password: 'correct horse',
    },
    '/api/login/': { email: 'a@example.com', password: 'correct horse' },
    '/api/bookings/1/cancel/': { refund: true },
  };

  test.each(Object.entries(hostile))(
    'PG-12 %s in any field of any body is refused, never a failure',
    async (_, value) => {
      for (const [path, body] of Object.entries(bodies)) {
        for (const field of Object.keys(body)) {
          const text = JSON.stringify({ ...body, [field]: 'PLACE' }).replace('"PLACE"', () => value);
          const answer = await system.call('POST', path, { token: guest.token, body: text });
          expect([path, field, answer.status]).toEqual([path, field, expect.toBeOneOf([400, 401, 403, 404])]);
          expectProblem(answer, answer.body.code);
        }
      }
    },
  );

  const raw = [
    '%00',
    'a%00b',
    '%ED%A0%80',
    '%FF',
    '1e309',
    '-0',
    '2147483648',
    '9223372036854775808',
    'infinity',
    '300000-01-01',
    '00000000-0000-0000-0000-00000000000g',
    "1'%20or%201=1--",
    '%2e%2e%2fetc',
    '',
    '1,2',
    '%F0%9F%98%80',
    'x'.repeat(1_000),
  ];

  test('PG-12 in any path and query parameter they are refused too', async () => {
    const room = await system.newRoom();
    for (const value of raw) {
      for (const query of [
        `/api/rooms/${room}/availability/?date=${value}`,
        `/api/rooms/${room}/availability/?from=${value}`,
        `/api/rooms/${room}/availability/?${value || 'x'}=1`,
        `/api/bookings/?status=${value}`,
        `/api/bookings/?from=${value}`,
        `/api/bookings/?limit=${value}`,
        `/api/bookings/?cursor=${value || 'x'}`,
        `/api/bookings/all/?room=${value}`,
        `/api/bookings/all/?user=${value}`,
        `/api/bookings/all/?user[]=${value}`,
      ]) {
        const answer = await system.call('GET', query, { token: staff.token });
        expect([query, answer.status]).toEqual([query, 400]);
        expectProblem(answer, answer.body.code);
      }
      for (const path of [`/api/rooms/${value}/availability/`, `/api/bookings/${value || 'x'}/`]) {
        const answer = await system.call('GET', path, { token: staff.token });
        expect([path, answer.status]).toEqual([path, 404]);
        expectProblem(answer, answer.body.code);
      }
    }
  });

  test('PG-12 in headers they are refused too', async () => {
    for (const value of [
      'Bearer',
      'Bearer ',
      'Basic eDp5',
      `Bearer ${'x'.repeat(8_000)}`,
      'Bearer a b',
      'Bearer \u00ff',
    ]) {
      const answer = await system.call('GET', '/api/bookings/', { headers: { Authorization: value } });
      expectProblem(answer, 'unauthenticated');
    }
    for (const value of [
      'refresh_token',
      'refresh_token=;=;',
      `refresh_token=%ED%A0%80; a=${'b'.repeat(4_000)}`,
    ]) {
      const answer = await system.call('POST', '/api/token/refresh-cookie/', { headers: { Cookie: value } });
      expectProblem(answer, 'invalid_refresh_token');
    }
  });

  test('PG-12 text that is merely unusual is kept as it is', async () => {
    const special_requests = '“Zwölf” 椅子 👩‍👩‍👧‍👦 %s ${x} \' " \\ <b> \u202e';
    const body = bookingBody(await system.newRoom(), { special_requests });
    const made = await system.call('POST', '/api/bookings/', { token: guest.token, body });
    expect(made.status).toBe(201);
    const shown = await system.call('GET', `/api/bookings/${made.body.id}/`, { token: guest.token });
    expect(shown.body.special_requests).toBe(special_requests);
  });
});
