import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Browser, givePassword, openBrowser, signInStaff, tokenIn } from '../setup/panel.ts';
import { deviceOf } from '../factories.ts';
import { startSystem, type System, type TestUser } from '../setup/system.ts';

const pages = [
  '/admin',
  '/admin/bookings',
  '/admin/bookings.csv',
  '/admin/day',
  '/admin/rooms',
  '/admin/rooms/new',
  '/admin/payments',
  '/admin/users',
  '/admin/flags',
];

describe('who gets into the staff panel', () => {
  let system: System;
  let staff: TestUser;
  let browser: Browser;
  beforeAll(async () => {
    system = await startSystem({
      worker: false,
      settings: { LIMIT_LOGIN_FAILURES: '3', CORS_ORIGINS: 'https://app.example' },
    });
    ({ staff, browser } = await signInStaff(system));
  });
  afterAll(() => system.stop());

  test('AZ-02 nothing of /admin is shown without the session of staff, by any request', async () => {
    const variants = pages.flatMap((path) => [
      path,
      `${path}/`,
      `/${path}`,
      path.toUpperCase(),
      `${path}/%2e%2e/rooms`,
    ]);
    for (const path of variants) {
      for (const method of ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'PATCH', 'POST']) {
        const { status } = await openBrowser(system).request(method, path, {
          headers: { 'X-HTTP-Method-Override': 'GET', Authorization: `Bearer ${staff.token}` },
        });
        expect([401, 403, 404, 405], `${method} ${path}`).toContain(status);
      }
    }
    const preflight = { Origin: 'https://app.example', 'Access-Control-Request-Method': 'GET' };
    const asked = await openBrowser(system).request('OPTIONS', '/admin', { headers: preflight });
    expect([401, 403]).toContain(asked.status);
    expect(asked.headers.get('access-control-allow-origin')).toBeNull();
  });

  test('AZ-02 staff sees every page; the address that does not exist is 404', async () => {
    for (const path of pages) expect((await browser.get(path)).status, path).toBe(200);
    expect((await browser.get('/admin/nothing')).status).toBe(404);
    expect((await browser.get('/admin/bookings/4294967299')).status).toBe(404);
    expect((await browser.get('/admin/users/0')).status).toBe(404);
    for (const form of ['/admin', '/admin/', '/admin/sign-in']) {
      expect([form, (await browser.get(form)).status]).toEqual([form, 200]);
      const put = await browser.request('PUT', form, { headers: { 'Sec-Fetch-Site': 'same-origin' } });
      expect([form, put.status]).toEqual([form, 405]);
      expect(put.headers.get('allow')).toBe(form === '/admin/sign-in' ? 'GET, HEAD, POST' : 'GET, HEAD');
    }
  });

  test.each([
    ['/admin/panel.css', 'text/css; charset=utf-8'],
    ['/admin/icon.svg', 'image/svg+xml'],
  ])('%s is served to everybody, and a second time only when it has changed', async (path, type) => {
    const stranger = openBrowser(system);
    const { status, headers, text } = await stranger.get(path);
    expect([status, headers.get('content-type')]).toEqual([200, type]);
    expect(text).not.toBe('');
    const again = await stranger.get(path, {
      'If-None-Match': headers.get('etag') ?? '',
      // By itself fetch would ask for a fresh one.
      'Cache-Control': 'max-age=0',
    });
    expect([again.status, again.text]).toEqual([304, '']);
    expect((await stranger.request('POST', path)).status).toBe(403);
  });

  test('HT-09 a page loads nothing from elsewhere, runs no script, cannot be framed, cached or sniffed', async () => {
    const { headers, text } = await browser.get('/admin');
    const policy = headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toMatch(/script-src|unsafe|https?:|\*/);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('strict-transport-security')).toContain('max-age=31536000');
    expect(text).not.toMatch(/<script| style="| on\w+="|(?:src|href)="(?:https?:)?\/\//);
  });

  test('the session cookie is the panel’s own: HttpOnly, SameSite=Strict, no door to the API', async () => {
    const another = await system.newUser({ isStaff: true });
    const answer = await openBrowser(system).signIn(another.email, await givePassword(system, another));
    const line = answer.headers.getSetCookie().find((cookie) => cookie.startsWith('panel=')) ?? '';
    expect(line).toMatch(/^panel=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/);
    const value = /=([^;]+)/.exec(line)?.[1] ?? '';
    const refreshed = await system.call('POST', '/api/token/refresh-cookie/', {
      headers: { Cookie: `refresh_token=${value}` },
    });
    expect(refreshed.status).toBe(401);
    const stored = await system.db('sessions').where({ user_id: another.id, kind: 'panel' }).first();
    expect(stored.token_hash.toString('base64url')).not.toBe(value);
  });

  test('AU-11 a form from elsewhere, without its token or with another session’s, is refused', async () => {
    const path = '/admin/rooms/new';
    const csrf = tokenIn((await browser.get(path)).text);
    const own = { Origin: system.url };
    const tries: [Record<string, string>, Record<string, string>][] = [
      [{ csrf }, { Origin: 'https://evil.example' }],
      [{ csrf }, { Origin: 'null' }],
      [{ csrf }, { 'Sec-Fetch-Site': 'cross-site' }],
      [{ csrf }, { 'Sec-Fetch-Site': 'same-site' }],
      [{ csrf }, { ...own, 'Sec-Fetch-Site': 'cross-site' }],
      [{ csrf }, { ...own, 'Sec-Fetch-Site': 'none' }],
      [{}, { 'Sec-Fetch-Site': 'same-origin' }],
      [{ csrf }, {}],
      [{}, own],
      [{ csrf: 'x'.repeat(43) }, own],
      [{ csrf: tokenIn((await (await signInStaff(system)).browser.get(path)).text) }, own],
    ];
    for (const [fields, headers] of tries) {
      expect((await browser.submit(path, fields, headers)).status, JSON.stringify(headers)).toBe(403);
    }
    const plain = { headers: { ...own, 'Content-Type': 'text/plain' }, body: `csrf=${csrf}` };
    expect((await browser.request('POST', path, plain)).status).toBe(403);
    // The genuine form reaches field validation: by Origin, and by Sec-Fetch-Site behind a proxy that rewrites Host.
    const proxied = { Origin: 'https://booking.example', 'Sec-Fetch-Site': 'same-origin' };
    for (const headers of [own, proxied]) {
      expect((await browser.submit(path, { csrf }, headers)).status).toBe(400);
    }
  });

  test('AU-11 the sign-in too carries a token, bound to a cookie', async () => {
    const fresh = openBrowser(system);
    const fields = { email: staff.email, password: await givePassword(system, staff) };
    expect((await fresh.submit('/admin/sign-in', fields)).status).toBe(403);
    const csrf = tokenIn((await openBrowser(system).get('/admin/sign-in')).text);
    expect((await fresh.submit('/admin/sign-in', { ...fields, csrf })).status).toBe(403);
  });

  test('a guest with the right password, and staff with a wrong one, stay outside', async () => {
    const guest = await system.newUser();
    const secret = await givePassword(system, guest);
    const fresh = openBrowser(system);
    const refused = await fresh.signIn(guest.email, secret);
    expect(refused.status).toBe(403);
    expect(refused.text).toContain('not a staff account');
    expect((await fresh.get('/admin')).status).toBe(401);
    const other = await system.newUser({ isStaff: true });
    await givePassword(system, other);
    const wrong = await fresh.signIn(other.email, 'not the password');
    expect(wrong.status).toBe(401);
    expect(wrong.text).toContain('Invalid email or password.');
  });

  test('AU-16 guesses at the panel and at the API’s login count together', async () => {
    const target = await system.newUser({ isStaff: true });
    const secret = await givePassword(system, target);
    const fresh = openBrowser(system);
    await fresh.signIn(target.email, 'wrong one');
    await system.call('POST', '/api/login/', { body: { email: target.email, password: 'wrong two' } });
    await fresh.signIn(target.email, 'wrong three');
    const throttled = await fresh.signIn(target.email, secret);
    expect(throttled.status).toBe(429);
    expect(Number(throttled.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(
      (await system.call('POST', '/api/login/', { body: { email: target.email, password: secret } })).status,
    ).toBe(429);
  });

  test('AU-16 strangers who guess at an administrator’s password do not lock a known browser out', async () => {
    const target = await system.newUser({ isStaff: true });
    const secret = await givePassword(system, target);
    const own = openBrowser(system);
    expect((await own.signIn(target.email, secret)).status).toBe(303);
    expect(own.cookies.get('device')).toMatch(/^[\w-]{75}$/);
    await own.submit('/admin/sign-out', { csrf: tokenIn((await own.get('/admin')).text) });
    for (let guess = 0; guess < 4; guess++) await openBrowser(system).signIn(target.email, 'wrong');
    expect((await openBrowser(system).signIn(target.email, secret)).status).toBe(429);
    expect((await own.signIn(target.email, secret)).status).toBe(303);
  });

  test('AU-16 a browser that knows an account from the API’s login is known at the panel', async () => {
    const target = await system.newUser({ isStaff: true });
    const login = { email: target.email, password: await givePassword(system, target) };
    const device = deviceOf(await system.call('POST', '/api/login/', { body: login }));
    for (let guess = 0; guess < 4; guess++) await openBrowser(system).signIn(target.email, 'wrong');
    const browser = openBrowser(system);
    browser.cookies.set('device', device.slice(device.indexOf('=') + 1));
    expect((await browser.signIn(target.email, login.password)).status).toBe(303);
  });

  test('a lost role, a deactivation, a sign-out and an idle session each close the panel at the next request', async () => {
    const close: ((user: TestUser, own: Browser) => Promise<unknown>)[] = [
      ({ id }) => system.db('users').where({ id }).update({ is_staff: false }),
      ({ id }) => system.db('users').where({ id }).update({ is_active: false }),
      ({ id }) =>
        system
          .db('sessions')
          .where({ user_id: id })
          .update({ seen_at: new Date(Date.now() - 3 * 3_600_000) }),
      ({ id }) => system.db('sessions').where({ user_id: id }).update({ expires_at: new Date() }),
      async (_user, own) => own.submit('/admin/sign-out', { csrf: tokenIn((await own.get('/admin')).text) }),
    ];
    for (const how of close) {
      const one = await signInStaff(system);
      const cookie = one.browser.cookies.get('panel') ?? '';
      expect((await one.browser.get('/admin')).status).toBe(200);
      await how(one.staff, one.browser);
      one.browser.cookies.set('panel', cookie);
      expect((await one.browser.get('/admin')).status).toBe(401);
    }
  });
});
