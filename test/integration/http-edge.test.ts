import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { printOpenApi } from '../../http/openapi.ts';
import { listRoutes } from '../../api/routes.ts';
import { bookingBody, expectProblem } from '../factories.ts';
import { type Answer, startSystem, type System, type TestUser } from '../setup/system.ts';

/** The work of client and server together, in milliseconds of a core: a busy machine does not change it. */
function cpuMsSince(begun: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / 1000;
}

describe('the edge', () => {
  let system: System;
  let guest: TestUser;
  beforeAll(async () => {
    system = await startSystem({
      worker: false,
      settings: {
        CLEANUP_TOKEN: 'a-token-of-its-own',
        CORS_ORIGINS: 'https://app.com,https://shop.example',
        LIMIT_REQUESTS: '0',
      },
    });
    guest = await system.newUser();
  });
  afterAll(() => system.stop());

  const post = (body: unknown, headers: Record<string, string> = {}) =>
    system.call('POST', '/api/bookings/', { token: guest.token, body, headers });

  test.each(['/api', '/api/nothing/', '/api/rooms/1', '/api/bookings/1/2', '/%00', '/api/rooms/%E0%A4%A'])(
    'HT-01 nothing is at %s, and that is a problem document',
    async (path) => {
      expectProblem(await system.call('GET', path), 'not_found');
    },
  );

  test.each([
    ['DELETE', '/api/bookings/', 'GET, HEAD, POST'],
    ['PUT', '/api/bookings', 'GET, HEAD, POST'],
    ['PATCH', '/api/bookings/1/', 'GET, HEAD'],
    ['GET', '/api/login/', 'POST'],
    ['GET', '/api/cleanup-expired-bookings', 'POST'],
    ['POST', '/api/rooms/', 'GET, HEAD'],
    ['GET', '/api/stripe-webhook/', 'POST'],
  ])('HT-01 %s %s is refused with 405 and Allow', async (method, path, allow) => {
    const answer = await system.call(method, path, { token: guest.token });
    expectProblem(answer, 'method_not_allowed');
    const sorted = (list: string | null) => (list ?? '').split(', ').sort();
    expect(sorted(answer.headers.get('Allow'))).toEqual(sorted(allow));
  });

  test.each([
    '/livez',
    '/readyz',
    '/metrics',
    '/openapi.json',
    '/docs',
    '/payment/success',
    '/payment/cancel',
  ])('HT-01 %s is read with a slash and without one, and nothing else', async (path) => {
    for (const form of [path, `${path}/`]) {
      for (const method of ['GET', 'HEAD']) {
        expect([method, form, (await system.call(method, form)).status]).toEqual([method, form, 200]);
      }
      for (const method of ['POST', 'PUT', 'DELETE']) {
        const answer = await system.call(method, form);
        expectProblem(answer, 'method_not_allowed');
        expect(answer.headers.get('Allow')?.split(', ').sort()).toEqual(['GET', 'HEAD']);
      }
    }
  });

  test.each(['{', '{"room_id":', 'nonsense', '"text"', '[1,]', '{"a":1}x', 'null'])(
    'HT-01 the body %s is refused',
    async (body) => {
      const answer = await post(body);
      expect(answer.status).toBe(400);
      expectProblem(answer, answer.body.code);
      expect(answer.body.code).toBeOneOf(['malformed_json', 'invalid_request']);
    },
  );

  test('HT-01 an unforeseen failure is a bare 500 that says nothing of its cause', async () => {
    const { rooms } = system.server.deps;
    const find = rooms.find.bind(rooms);
    rooms.find = () => Promise.reject(new Error('secret of the house'));
    const answer = await post(bookingBody(1));
    rooms.find = find;
    expectProblem(answer, 'internal_error');
    expect(JSON.stringify(answer.body)).not.toContain('secret');
  });

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/json; charset=utf-7',
    'application/json; charset=utf-16',
    'application/vnd.api+json',
    'nonsense',
  ])('HT-02 the media type %s is refused with 415', async (type) => {
    expectProblem(
      await post(JSON.stringify(bookingBody(1)), { 'Content-Type': type }),
      'unsupported_media_type',
    );
  });

  test('HT-02 no media type at all is refused; JSON in UTF-8 by any spelling is taken', async () => {
    const untyped = await fetch(`${system.url}/api/bookings/`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${guest.token}` },
      body: new Uint8Array([0x7b, 0x7d]),
    });
    expect(untyped.status).toBe(415);
    for (const type of [
      'application/json',
      'Application/JSON; Charset="UTF-8"',
      'application/json;charset=utf-8',
    ]) {
      const answer = await post(JSON.stringify(bookingBody(await system.newRoom())), {
        'Content-Type': type,
      });
      expect([type, answer.status]).toEqual([type, 201]);
    }
  });

  test('HT-03 a body over 64 KiB is refused, and a packed one unread', async () => {
    const body = JSON.stringify({ special_requests: 'x'.repeat(64 * 1024) });
    const large = await post(body);
    expectProblem(large, 'payload_too_large');
    expect(large.body.detail).toBe('A body has at most 64 KiB.');
    const answer = await fetch(`${system.url}/api/bookings/`, {
      method: 'POST',
      headers: {
        Authorization: `Bearer ${guest.token}`,
        'Content-Type': 'application/json',
        'Content-Encoding': 'gzip',
      },
      body: gzipSync(Buffer.alloc(20_000_000, ' ')),
    });
    expect(answer.status).toBe(415);
    expect(answer.headers.get('Content-Type')).toContain('application/problem+json');
  });

  test('HT-03 deep and wide bodies are refused quickly', async () => {
    for (const body of [
      `${'['.repeat(30_000)}${']'.repeat(30_000)}`,
      `{"room_id":${'['.repeat(30_000)}${']'.repeat(30_000)}}`,
      JSON.stringify(Array(10_000).fill(0)),
      JSON.stringify(Object.fromEntries(Array.from({ length: 3_000 }, (_, n) => [`field${n}`, n]))),
    ]) {
      const begun = process.cpuUsage();
      const answer = await post(body);
      expect(cpuMsSince(begun)).toBeLessThan(500);
      expect(answer.status).toBe(400);
      expect((answer.body.errors ?? []).length).toBeLessThanOrEqual(25);
      expect(JSON.stringify(answer.body).length).toBeLessThan(10_000);
    }
  });

  test('HT-03 a query over 2 KiB is refused', async () => {
    expectProblem(await system.call('GET', `/api/rooms/?q=${'x'.repeat(2_100)}`), 'uri_too_long');
  });

  test('HT-14 a long e-mail costs nothing', async () => {
    const begun = process.cpuUsage();
    const email = `${'a.'.repeat(25_000)}@${'b.'.repeat(5_000)}`;
    expectProblem(
      await system.call('POST', '/api/login/', { body: { email, password: 'x' } }),
      'invalid_request',
      'email',
    );
    expect(cpuMsSince(begun)).toBeLessThan(500);
  });

  test.each([
    ['https://shop.example', true],
    ['https://app.com', true],
    ['https://evil.com', false],
    ['https://app.com.evil.com', false],
    ['http://app.com', false],
    ['https://app.com:444', false],
    ['null', false],
  ])('HT-08 of the origin %s it is %s that it may read answers', async (origin, allowed) => {
    const preflight = await system.call('OPTIONS', '/api/bookings/', {
      headers: { Origin: origin, 'Access-Control-Request-Method': 'POST' },
    });
    const plain = await system.call('GET', '/api/rooms/', { headers: { Origin: origin } });
    const refused = await system.call('GET', '/api/bookings/', { headers: { Origin: origin } });
    for (const answer of [preflight, plain, refused]) {
      expect(answer.headers.get('Access-Control-Allow-Origin')).toBe(allowed ? origin : null);
      expect(answer.headers.get('Access-Control-Allow-Credentials')).toBe(allowed ? 'true' : null);
      expect(answer.headers.get('Vary')).toContain('Origin');
    }
    if (!allowed) return;
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('Access-Control-Allow-Headers')).toContain('Idempotency-Key');
  });

  test('HT-09 every answer carries the security headers, and nothing of the software', async () => {
    const answers: Answer[] = [
      await system.call('GET', '/api/rooms/'),
      await system.call('GET', '/api/bookings/', { token: guest.token }),
      await system.call('GET', '/nothing'),
    ];
    for (const { headers } of answers) {
      expect(headers.get('Strict-Transport-Security')).toBe('max-age=31536000; includeSubDomains');
      expect(headers.get('X-Content-Type-Options')).toBe('nosniff');
      expect(headers.get('Content-Security-Policy')).toBe("default-src 'none';frame-ancestors 'none'");
      expect(headers.get('Referrer-Policy')).toBe('no-referrer');
      expect(headers.get('X-Powered-By')).toBeNull();
      expect(headers.get('Server')).toBeNull();
      expect(headers.get('X-Request-Id')).toMatch(/^[0-9a-f-]{36}$/);
    }
    expect(answers[1]?.headers.get('Cache-Control')).toBe('no-store');
  });

  test.each(['/livez', '/livez/'])('%s answers that the process is alive', async (path) => {
    const { status, body } = await system.call('GET', path);
    expect([status, body]).toEqual([200, { status: 'ok' }]);
  });

  test.each(['/readyz', '/readyz/'])('%s answers that Postgres and Temporal can be reached', async (path) => {
    const { status, body } = await system.call('GET', path);
    expect(status).toBe(200);
    expect(body).toMatchObject({ postgres: 'ok', temporal: 'ok' });
    expect(body.outbox).toEqual({ waiting: expect.any(Number), dead: 0, oldest_seconds: expect.any(Number) });
  });

  test('AZ-05 /openapi.json documents every route that is served, and is what the routes print', async () => {
    const { status, headers, body } = await system.call('GET', '/openapi.json');
    expect([status, headers.get('Content-Type')]).toEqual([200, 'application/json; charset=utf-8']);
    expect(body.openapi).toMatch(/^3\.1\./);
    const routes = listRoutes(system.server.deps);
    expect(body).toEqual(JSON.parse(JSON.stringify(printOpenApi(routes))));
    const documented = Object.entries(body.paths as Record<string, object>).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(documented.sort()).toEqual(routes.map(({ method, path }) => `${method} ${path}`).sort());
    // Every reference leads somewhere.
    for (const [, name = ''] of JSON.stringify(body).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      expect(body.components.schemas).toHaveProperty([name]);
    }
  });

  test('AZ-05 what a handler reads by itself is documented too', async () => {
    const { body } = await system.call('GET', '/openapi.json');
    const { securitySchemes } = body.components;
    expect(body.paths['/api/cleanup-expired-bookings/'].post.security).toEqual([{ cleanupToken: [] }]);
    expect(securitySchemes.cleanupToken).toMatchObject({ type: 'http', scheme: 'bearer' });
    expect(body.paths['/api/token/refresh-cookie/'].post.security).toEqual([{ refreshCookie: [] }]);
    expect(securitySchemes.refreshCookie).toMatchObject({ in: 'cookie', name: 'refresh_token' });
    const webhook = body.paths['/api/stripe-webhook/'].post;
    expect(webhook.parameters).toMatchObject([{ name: 'Stripe-Signature', in: 'header', required: true }]);
    expect(webhook.requestBody.content['application/json'].schema.type).toBe('object');
  });

  test('AZ-05 every documented route is served in both slash forms, and guards what it says it guards', async () => {
    const { body } = await system.call('GET', '/openapi.json');
    for (const [path, methods] of Object.entries(
      body.paths as Record<string, Record<string, { security: object[] }>>,
    )) {
      for (const [method, operation] of Object.entries(methods)) {
        const plain = path.replace('{id}', '999999').replace(/\/$/, '');
        for (const form of [plain, `${plain}/`]) {
          const { status, body: answer } = await system.call(method.toUpperCase(), form);
          expect([form, answer?.code]).not.toEqual([
            form,
            expect.toBeOneOf(['not_found', 'method_not_allowed']),
          ]);
          if (operation.security.length > 0) expect([form, status]).toEqual([form, 401]);
        }
      }
    }
  });
});
