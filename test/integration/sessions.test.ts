import { generateKeyPairSync } from 'node:crypto';
import { createHash } from 'node:crypto';
import jwt from 'jsonwebtoken';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rows } from '../../db/knex.ts';
import { cookieOf, expectProblem } from '../factories.ts';
import { type Answer, startSystem, type System } from '../setup/system.ts';

const password = 'correct horse battery';
const email = 'guest@example.com';

describe('sessions', () => {
  let system: System;
  beforeAll(async () => {
    system = await startSystem({ worker: false, settings: { CORS_ORIGINS: 'https://shop.example' } });
    const body = { email, password, confirm_password: password };
    expect((await system.call('POST', '/api/register/', { body })).status).toBe(201);
  });
  afterAll(() => system.stop());

  async function login() {
    const answer = await system.call('POST', '/api/login/', { body: { email, password } });
    return { cookie: cookieOf(answer)?.pair ?? '', access: answer.body.access as string, answer };
  }
  const refresh = (cookie?: string, headers: Record<string, string> = {}): Promise<Answer> =>
    system.call('POST', '/api/token/refresh-cookie/', {
      headers: { ...(cookie && { Cookie: cookie }), ...headers },
    });
  /** Lets the grace of a second tab pass, for the token of this cookie. */
  const age = (cookie: string) =>
    rows(
      system.db,
      `update refresh_tokens set rotated_at = rotated_at - interval '10 seconds' where token_hash = ?`,
      [
        createHash('sha256')
          .update(cookie.split('=')[1] ?? '')
          .digest(),
      ],
    );

  test('AU-05 AU-10 in debug a login sets the refresh token as an HttpOnly, SameSite=Strict cookie of 7 days', async () => {
    const { answer } = await login();
    const cookie = cookieOf(answer);
    expect(cookie?.pair).toMatch(/^refresh_token=[\w-]{43}$/);
    expect(cookie?.attributes).toEqual(['Path=/', 'HttpOnly', 'SameSite=Strict', 'Max-Age=604800']);
    expect(JSON.stringify(answer.body)).not.toContain(cookie?.value);
    expect(answer.headers.get('Cache-Control')).toBe('no-store');
    const dump = await rows<{ row: string }>(
      system.db,
      'select refresh_tokens::text as row from refresh_tokens union all select sessions::text from sessions',
    );
    expect(JSON.stringify(dump)).not.toContain(cookie?.value);
  });

  test.each(['/api/token/refresh-cookie/', '/api/token/refresh-cookie'])(
    '%s rotates the cookie',
    async (path) => {
      const { cookie } = await login();
      const answer = await system.call('POST', path, { headers: { Cookie: cookie } });
      expect(answer.status).toBe(200);
      expect(answer.body).toEqual({ access: expect.any(String), message: 'Token refreshed successfully' });
      const next = cookieOf(answer);
      expect(next?.pair).toMatch(/^refresh_token=[\w-]{43}$/);
      expect(next?.pair).not.toBe(cookie);
      expect((await refresh(next?.pair)).status).toBe(200);
    },
  );

  test('a missing, unknown or oversized refresh token is refused', async () => {
    expectProblem(await refresh(), 'invalid_refresh_token');
    for (const value of ['nonsense', '%00', 'x'.repeat(4_000)]) {
      expectProblem(await refresh(`refresh_token=${value}`), 'invalid_refresh_token');
    }
  });

  test('AU-07 of two tabs that refresh at once one gets 409, and nobody is logged out', async () => {
    const { cookie } = await login();
    const answers = await Promise.all([refresh(cookie), refresh(cookie), refresh(cookie)]);
    const [won] = answers.filter(({ status }) => status === 200);
    const lost = answers.filter(({ status }) => status !== 200);
    expect(lost).toHaveLength(2);
    for (const answer of lost) {
      expectProblem(answer, 'refresh_in_progress');
      expect(answer.headers.get('Retry-After')).toBe('1');
    }
    expect((await refresh(cookieOf(won as Answer)?.pair)).status).toBe(200);
  });

  test('AU-06 a rotated token that comes again after the grace revokes the whole family', async () => {
    const { cookie } = await login();
    const second = cookieOf(await refresh(cookie))?.pair ?? '';
    const third = cookieOf(await refresh(second))?.pair ?? '';
    await age(cookie);
    const reused = await refresh(cookie);
    expectProblem(reused, 'invalid_refresh_token');
    expect(cookieOf(reused)?.attributes).toContain('Max-Age=0');
    expectProblem(await refresh(third), 'invalid_refresh_token');
    const revoked = await rows(
      system.db,
      `select count(*)::int as n from sessions where revoked_by = 'reuse'`,
    );
    expect(revoked).toEqual([{ n: 1 }]);
  });

  test('AU-08 an expired token and a session over its absolute limit are refused', async () => {
    const [one, other] = await Promise.all([login(), login()]);
    const hashOf = (cookie: string) =>
      createHash('sha256')
        .update(cookie.split('=')[1] ?? '')
        .digest();
    await rows(system.db, 'update refresh_tokens set expires_at = now() where token_hash = ?', [
      hashOf(one.cookie),
    ]);
    await rows(
      system.db,
      `update sessions set expires_at = now() where id = (select session_id from refresh_tokens where token_hash = ?)`,
      [hashOf(other.cookie)],
    );
    expectProblem(await refresh(one.cookie), 'invalid_refresh_token');
    expectProblem(await refresh(other.cookie), 'invalid_refresh_token');
  });

  test('AU-11 a refresh from another site is refused with 403, and the cookie stays good', async () => {
    const { cookie } = await login();
    const foreign: Record<string, string>[] = [
      { 'Sec-Fetch-Site': 'cross-site' },
      { 'Sec-Fetch-Site': 'same-site' },
      { 'Sec-Fetch-Site': 'none', Origin: 'https://evil.example' },
      { Origin: 'https://evil.example' },
      { Origin: 'null' },
      { Origin: 'https://shop.example.evil.example' },
    ];
    for (const headers of foreign) expectProblem(await refresh(cookie, headers), 'cross_site');
    expect((await refresh(cookie, { Origin: 'https://shop.example' })).status).toBe(200);
  });

  test('AU-11 a refresh that the browser calls same-origin is taken, whatever a proxy makes of the host', async () => {
    const { cookie } = await login();
    const headers = { 'Sec-Fetch-Site': 'same-origin', Origin: 'https://booking.example' };
    expect((await refresh(cookie, headers)).status).toBe(200);
  });

  test.each(['/api/logout/', '/api/logout'])('%s clears the cookie and revokes the family', async (path) => {
    const { cookie, access } = await login();
    const answer = await system.call('POST', path, { token: access });
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({ message: 'Logout successful' });
    expect(cookieOf(answer)).toMatchObject({ pair: 'refresh_token=', value: '' });
    expect(cookieOf(answer)?.attributes).toContain('Max-Age=0');
    expectProblem(await refresh(cookie), 'invalid_refresh_token');
  });

  test('logout wants a token, and ends only its own session', async () => {
    expectProblem(await system.call('POST', '/api/logout/'), 'unauthenticated');
    const [one, other] = await Promise.all([login(), login()]);
    await system.call('POST', '/api/logout/', { token: one.access });
    expect((await refresh(other.cookie)).status).toBe(200);
  });

  test('AU-01 AU-02 AU-04 tokens that are not ours, or too old, get 401 and WWW-Authenticate', async () => {
    const { access, cookie } = await login();
    const [key = ''] = system.config.auth.secretKeys;
    const claims = jwt.decode(access) as jwt.JwtPayload;
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(1_800);
    const sign = (differing: object, header: object = {}, signer = key) =>
      jwt.sign({ ...claims, ...differing }, signer, {
        algorithm: 'HS256',
        header: { alg: 'HS256', typ: 'at+jwt', ...header },
      });
    expect((await system.call('GET', '/api/bookings/', { token: sign({}) })).status).toBe(200);
    const seconds = Math.floor(Date.now() / 1000);
    const without = (claim: string) =>
      jwt.sign(Object.fromEntries(Object.entries(claims).filter(([name]) => name !== claim)), key, {
        header: { alg: 'HS256', typ: 'at+jwt' },
        noTimestamp: true,
      });
    const theirs = 'another-key-of-more-than-32-bytes-0123456789';
    const jwk = { kty: 'oct', k: Buffer.from(theirs).toString('base64url') };
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
    const asymmetric = jwt.sign(claims, privateKey, { header: { alg: 'RS256', typ: 'at+jwt' } });
    const forged = {
      'another key': sign({}, {}, theirs),
      'another key, which the header brings': sign({}, { jwk }, theirs),
      'another key, which the header names': sign(
        {},
        { kid: '/dev/null', jku: 'https://x/k', x5u: 'https://x/c' },
        theirs,
      ),
      'a key pair': asymmetric,
      'a public key as the secret': sign({}, {}, publicKey.export({ type: 'spki', format: 'pem' }) as string),
      ...Object.fromEntries(
        ['iss', 'aud', 'exp', 'iat', 'sub'].map((claim) => [`no ${claim}`, without(claim)]),
      ),
      'not yet valid': sign({ nbf: seconds + 3_600 }),
      'another issuer': sign({ iss: 'somebody' }),
      'another audience': sign({ aud: 'somebody' }),
      'another type': sign({}, { typ: 'JWT' }),
      HS512: jwt.sign(claims, key, { algorithm: 'HS512', header: { alg: 'HS512', typ: 'at+jwt' } }),
      none: `${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')}.${access.split('.')[1]}.`,
      expired: sign({ iat: seconds - 1_900, exp: seconds - 61 }),
      'made for a year': sign({ exp: seconds + 31_536_000 }),
      'the refresh token': cookie.split('=')[1] ?? '',
      nonsense: 'nonsense',
    };
    for (const [what, token] of Object.entries(forged)) {
      const answer = await system.call('GET', '/api/bookings/', { token });
      expect([what, answer.status]).toEqual([what, 401]);
      expectProblem(answer, 'invalid_token');
      expect(answer.headers.get('WWW-Authenticate')).toBe('Bearer error="invalid_token"');
    }
    const nothing = await system.call('GET', '/api/bookings/');
    expectProblem(nothing, 'unauthenticated');
    expect(nothing.headers.get('WWW-Authenticate')).toBe('Bearer');
    expectProblem(await refresh(`refresh_token=${access}`), 'invalid_refresh_token');
  });
});
