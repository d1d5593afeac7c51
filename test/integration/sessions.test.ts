import { generateKeyPairSync } from 'node:crypto';
import jwt from 'jsonwebtoken';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { refreshSession } from '../../core/accounts/refresh-session.ts';
import { hashToken } from '../../core/accounts/tokens.ts';
import { deriveKey } from '../../core/derived-keys.ts';
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
  const tokenOf = (cookie: string) => cookie.split('=')[1] ?? '';
  /** Lets the time of a second tab or a lost answer pass, for the token of this cookie. */
  const age = (cookie: string, seconds = 30) =>
    rows(
      system.db,
      'update refresh_tokens set rotated_at = rotated_at - make_interval(secs => ?) where token_hash = ?',
      [seconds, hashToken(tokenOf(cookie))],
    );
  const revocationsOf = (cookie: string) =>
    rows(
      system.db,
      `select s.revoked_by from sessions s join refresh_tokens t on t.session_id = s.id where t.token_hash = ?`,
      [hashToken(tokenOf(cookie))],
    );
  const nextCookie = async (cookie: string) => cookieOf(await refresh(cookie))?.pair ?? '';

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

  test('AU-07 tabs that refresh at once all get the same successor, and nobody is logged out', async () => {
    const { cookie } = await login();
    const answers = await Promise.all([1, 2, 3, 4].map(() => refresh(cookie)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    const [successor, ...others] = new Set(answers.map((answer) => cookieOf(answer)?.pair));
    expect(others).toEqual([]);
    expect((await refresh(successor)).status).toBe(200);
  });

  test('AU-07 a client that lost the answer gets the same successor again, for 30 s', async () => {
    const { cookie } = await login();
    const successor = await nextCookie(cookie);
    await age(cookie, 29);
    const again = await refresh(cookie);
    expect([again.status, cookieOf(again)?.pair]).toEqual([200, successor]);
    await age(cookie, 1);
    expectProblem(await refresh(cookie), 'invalid_refresh_token');
    expect(await revocationsOf(cookie)).toEqual([{ revoked_by: 'reuse' }]);
    expectProblem(await refresh(successor), 'invalid_refresh_token');
  });

  test('AU-07 an answer that is lost as the token expires is given again', async () => {
    const { cookie } = await login();
    const successor = await nextCookie(cookie);
    await rows(system.db, 'update refresh_tokens set expires_at = now() where token_hash = ?', [
      hashToken(tokenOf(cookie)),
    ]);
    expect(await nextCookie(cookie)).toBe(successor);
  });

  test('AU-07 a lost answer is given again after a new SECRET_KEY was put in front, unless the old one is gone', async () => {
    const { cookie } = await login();
    const [oldKey = ''] = system.config.auth.secretKeys;
    const newKey = 'another-key-of-more-than-32-bytes-0123456789';
    const successor = tokenOf(await nextCookie(cookie));
    const refreshWith = (keys: string[]) => {
      const { db, log } = system.server.deps;
      const refreshTokenKey = deriveKey(keys, 'refreshToken');
      return refreshSession({ db, log, refreshTokenKey }, tokenOf(cookie));
    };
    expect(await refreshWith([newKey, oldKey])).toMatchObject({ refreshToken: successor });
    await expect(refreshWith([newKey])).rejects.toMatchObject({ code: 'invalid_refresh_token' });
    expect(await revocationsOf(cookie)).toEqual([{ revoked_by: null }]);
  });

  test('AU-06 a token whose successor was used revokes the whole family, however soon it comes again', async () => {
    const { cookie } = await login();
    const second = await nextCookie(cookie);
    const third = await nextCookie(second);
    const reused = await refresh(cookie);
    expectProblem(reused, 'invalid_refresh_token');
    expect(cookieOf(reused)?.attributes).toContain('Max-Age=0');
    expectProblem(await refresh(third), 'invalid_refresh_token');
    expect(await revocationsOf(cookie)).toEqual([{ revoked_by: 'reuse' }]);
  });

  test('AU-06 a rotated token that comes again later revokes the whole family', async () => {
    const { cookie } = await login();
    const second = await nextCookie(cookie);
    await age(cookie);
    expectProblem(await refresh(cookie), 'invalid_refresh_token');
    expectProblem(await refresh(second), 'invalid_refresh_token');
  });

  test('AU-06 a thief and the owner who share a successor are distinguished by which of them uses it second', async () => {
    for (const first of ['the thief', 'the owner']) {
      const { cookie: stolen } = await login();
      const [owner, thief] = [await nextCookie(stolen), await nextCookie(stolen)];
      expect(owner).toBe(thief);
      const kept = await nextCookie(owner);
      await age(owner);
      expectProblem(await refresh(thief), 'invalid_refresh_token');
      expect([first, (await refresh(kept)).status]).toEqual([first, 401]);
    }
  });

  test('AU-06 a token that comes again as its successor is used gets an answer that holds, or ends the family', async () => {
    for (let round = 0; round < 5; round++) {
      const { cookie } = await login();
      const successor = await nextCookie(cookie);
      const [repeated, used] = await Promise.all([refresh(cookie), refresh(successor)]);
      if (repeated.status === 200) {
        expect(cookieOf(repeated)?.pair).toBe(successor);
        expect(used.status).toBe(200);
      } else {
        expect(await revocationsOf(cookie)).toEqual([{ revoked_by: 'reuse' }]);
      }
    }
  });

  test('AU-08 an expired token and a session over its absolute limit are refused', async () => {
    const [one, other] = await Promise.all([login(), login()]);
    const hashOf = (cookie: string) => hashToken(tokenOf(cookie));
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

  const logout = (cookie?: string, headers: Record<string, string> = {}) =>
    system.call('POST', '/api/logout/', { headers: { ...(cookie && { Cookie: cookie }), ...headers } });
  const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });

  /** The access token of a login as it is an hour later. */
  function expired(access: string): string {
    const claims = jwt.decode(access) as jwt.JwtPayload & { iat: number; exp: number };
    return jwt.sign(
      { ...claims, iat: claims.iat - 3_600, exp: claims.exp - 3_600 },
      system.config.auth.secretKeys[0] ?? '',
      { header: { alg: 'HS256', typ: 'at+jwt' } },
    );
  }

  test('logout wants a token or a cookie, and ends only its own session', async () => {
    expectProblem(await logout(), 'unauthenticated');
    expectProblem(await logout(undefined, bearer('nonsense')), 'invalid_token');
    expectProblem(await logout('refresh_token=nonsense'), 'unauthenticated');
    const [one, other] = await Promise.all([login(), login()]);
    expectProblem(await logout(undefined, bearer(expired(one.access))), 'invalid_token');
    expect((await logout(undefined, bearer(one.access))).status).toBe(200);
    expectProblem(await refresh(one.cookie), 'invalid_refresh_token');
    expect((await refresh(other.cookie)).status).toBe(200);
  });

  test.each<[string, (access: string) => Record<string, string>]>([
    ['no access token', () => ({})],
    ['an expired one', (access) => bearer(expired(access))],
    ['one that is none', () => bearer('nonsense')],
    ['another scheme', () => ({ Authorization: 'Basic eDp5' })],
    ['its own', bearer],
  ])('AU-09 the cookie ends its session beside %s', async (_, headersOf) => {
    const { cookie, access } = await login();
    const answer = await logout(cookie, headersOf(access));
    expect([answer.status, answer.body]).toEqual([200, { message: 'Logout successful' }]);
    expect(cookieOf(answer)).toMatchObject({ pair: 'refresh_token=' });
    expect(cookieOf(answer)?.attributes).toContain('Max-Age=0');
    expectProblem(await refresh(cookie), 'invalid_refresh_token');
    expect((await logout(cookie)).status, 'repeating is safe').toBe(200);
  });

  test('AU-09 a cookie and the access token of another session end both', async () => {
    const [one, other] = await Promise.all([login(), login()]);
    expect((await logout(one.cookie, bearer(other.access))).status).toBe(200);
    for (const { cookie } of [one, other]) expectProblem(await refresh(cookie), 'invalid_refresh_token');
  });

  test('AU-09 a used or expired refresh token ends its session too', async () => {
    const [used, old] = await Promise.all([login(), login()]);
    const successor = await nextCookie(used.cookie);
    expect((await logout(used.cookie)).status).toBe(200);
    expectProblem(await refresh(successor), 'invalid_refresh_token');
    await rows(system.db, 'update refresh_tokens set expires_at = now() where token_hash = ?', [
      hashToken(tokenOf(old.cookie)),
    ]);
    expect((await logout(old.cookie)).status).toBe(200);
    expectProblem(await system.call('POST', '/api/bookings/', { token: old.access }), 'invalid_token');
  });

  test('AU-11 a logout by the cookie from another site is refused with 403, and the session goes on', async () => {
    const { cookie } = await login();
    for (const headers of [{ 'Sec-Fetch-Site': 'cross-site' }, { Origin: 'https://evil.example' }]) {
      expectProblem(await logout(cookie, headers), 'cross_site');
    }
    expect((await refresh(cookie)).status).toBe(200);
  });

  test('AU-09 another tab follows a logout: its refresh is refused, also with an earlier token', async () => {
    const { cookie } = await login();
    const successor = await nextCookie(cookie);
    await logout(successor);
    expectProblem(await refresh(successor), 'invalid_refresh_token');
    expectProblem(await refresh(cookie), 'invalid_refresh_token');
    expect(await revocationsOf(cookie)).toEqual([{ revoked_by: 'logout' }]);
  });

  test('AU-09 a logout and a refresh at once leave no session that goes on', async () => {
    for (let round = 0; round < 5; round++) {
      const { cookie } = await login();
      const [refreshed] = await Promise.all([refresh(cookie), logout(cookie)]);
      if (refreshed.status === 200) {
        expectProblem(await refresh(cookieOf(refreshed)?.pair), 'invalid_refresh_token');
        expectProblem(
          await system.call('POST', '/api/bookings/', { token: refreshed.body.access }),
          'invalid_token',
        );
      }
    }
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
