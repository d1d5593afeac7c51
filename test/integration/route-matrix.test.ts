import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { printOpenApi } from '../../http/openapi.ts';
import type { Route } from '../../http/route.ts';
import { listRoutes } from '../../api/routes.ts';
import { rows } from '../../db/knex.ts';
import { bookingBody, cookieOf, newBooking } from '../factories.ts';
import { givePassword } from '../setup/panel.ts';
import { type CallOptions, startSystem, type System, type TestUser } from '../setup/system.ts';

/** Who asks, and about whose things. A demoted caller was staff when the token was made. */
const callers = ['anonymous', 'own', 'stranger', 'staff', 'demoted'] as const;
type CallerKind = (typeof callers)[number];

/** What one request may use. `owner` has the things; `caller` asks. */
interface Scene {
  kind: CallerKind;
  caller: TestUser | undefined;
  owner: TestUser;
}

interface Row {
  /** The status for anonymous, own, stranger, staff, demoted. */
  expected: readonly [number, number, number, number, number];
  path?: (scene: Scene) => Promise<string>;
  request?: (scene: Scene) => Promise<CallOptions>;
}

let system: System;
let owner: TestUser;
let stranger: TestUser;
let staff: TestUser;
let demoted: TestUser;
const password = 'correct horse battery';

beforeAll(async () => {
  system = await startSystem({
    settings: {
      CLEANUP_TOKEN: 'a-token-of-its-own',
      LIMIT_LOGIN_FAILURES: '0',
      LIMIT_REGISTRATIONS: '0',
    },
  });
  [owner, stranger, staff, demoted] = await Promise.all([
    system.newUser(),
    system.newUser(),
    system.newUser({ isStaff: true }),
    system.newUser({ isStaff: true }),
  ]);
  await rows(system.db, 'update users set is_staff = false, is_superuser = false where id = ?', [demoted.id]);
});
afterAll(() => system.stop());

const callerOf = (kind: CallerKind): TestUser | undefined =>
  ({ anonymous: undefined, own: owner, stranger, staff, demoted })[kind];

/** A booking of the owner's, made for this one request, in a path. */
const withBooking = (path: string) => async () => path.replace('{id}', (await newBooking(system, owner)).id);

const same = (status: number): Row['expected'] => [status, status, status, status, status];

/** One row a route. Who adds a route adds its row: what each caller gets is then decided, not left over. */
const matrix: Record<string, Row> = {
  'POST /api/register/': {
    expected: same(201),
    request: async () => {
      const email = `${randomUUID()}@example.com`;
      return { body: { email, password, confirm_password: password } };
    },
  },
  'POST /api/login/': {
    // A stranger, staff and who was staff try their own password on the owner's account.
    expected: [401, 200, 401, 401, 401],
    request: async ({ kind }) => {
      const right = await givePassword(system, owner);
      return { body: { email: owner.email, password: kind === 'own' ? right : `${right}x` } };
    },
  },
  'POST /api/token/refresh-cookie/': {
    // The cookie is the session; another's access token opens none.
    expected: [401, 200, 401, 401, 401],
    request: async ({ kind }) => {
      if (kind !== 'own') return {};
      const login = { email: owner.email, password: await givePassword(system, owner) };
      const answer = await system.call('POST', '/api/login/', { body: login });
      return { headers: { Cookie: cookieOf(answer)?.pair ?? '' } };
    },
  },
  'POST /api/logout/': {
    expected: [401, 200, 200, 200, 200],
    // Of a session of its own: the caller's is needed by the other rows.
    request: async ({ caller }) => (caller ? { token: (await system.newUser()).token } : {}),
  },
  'GET /api/rooms/': { expected: same(200) },
  'GET /api/rooms/{id}/availability/': {
    expected: same(200),
    path: async () => `/api/rooms/${await system.newRoom()}/availability/`,
  },
  'POST /api/bookings/': {
    // Everybody but the owner asks in the owner's name.
    expected: [401, 201, 403, 201, 403],
    request: async () => ({ body: bookingBody(await system.newRoom(), { user_id: owner.id }) }),
  },
  'GET /api/bookings/': { expected: [401, 200, 200, 200, 200] },
  'GET /api/bookings/all/': { expected: [401, 403, 403, 200, 403] },
  'GET /api/bookings/{id}/': {
    expected: [401, 200, 404, 200, 404],
    path: withBooking('/api/bookings/{id}/'),
  },
  'POST /api/bookings/{id}/cancel/': {
    expected: [401, 200, 404, 200, 404],
    path: withBooking('/api/bookings/{id}/cancel/'),
  },
  'POST /api/payment-intent/': {
    // The client secret is the owner's alone, not even staff's.
    expected: [401, 201, 404, 404, 404],
    request: async () => ({ body: { booking_id: (await newBooking(system, owner)).id } }),
  },
  'POST /api/staff/refunds/{id}/retry/': {
    // Staff learn that there is no such refund.
    expected: [401, 403, 403, 404, 403],
    path: async () => '/api/staff/refunds/2147483647/retry/',
  },
  'POST /api/stripe-webhook/': { expected: same(400), request: async () => ({ body: {} }) },
  'GET /livez': { expected: same(200) },
  'GET /readyz': { expected: same(200) },
  'POST /api/cleanup-expired-bookings/': { expected: same(401) },
};

const nameOf = ({ method, path }: Route) => `${method} ${path}`;
const routeOf = (name: string) => {
  const found = listRoutes(system.server.deps).find((route) => nameOf(route) === name);
  if (!found) throw new Error(`no route ${name}`);
  return found;
};

describe('who may do what', () => {
  test('AZ-02 AZ-05 every route has a row in the matrix, and every row a route', () => {
    expect(Object.keys(matrix).sort()).toEqual(listRoutes(system.server.deps).map(nameOf).sort());
  });

  const cells = Object.entries(matrix).flatMap(([name, row]) =>
    callers.map((kind, column) => [name, kind, row.expected[column]] as const),
  );
  test.each(cells)('AZ-01 AZ-02 AZ-04 %s by %s gets %i', async (name, kind, expected) => {
    const row = matrix[name] as Row;
    const caller = callerOf(kind);
    const scene = { kind, caller, owner };
    const route = routeOf(name);
    const path = (await row.path?.(scene)) ?? route.path;
    const answer = await system.call(route.method, path, {
      ...(caller && { token: caller.token }),
      ...(await row.request?.(scene)),
    });
    expect([answer.status, answer.body]).toEqual([expected, expect.anything()]);
    const documented = (
      printOpenApi([route]) as { paths: Record<string, Record<string, { responses: object }>> }
    ).paths[route.path]?.[route.method.toLowerCase()]?.responses;
    expect(Object.keys(documented ?? {})).toContain(String(answer.status));
    if (answer.status < 300) expect(route.response.parse(answer.body)).toEqual(answer.body);
    else expect(answer.headers.get('Content-Type')).toContain('application/problem+json');
    if (kind !== 'own' && kind !== 'staff' && name !== 'POST /api/login/') {
      expect(JSON.stringify(answer.body)).not.toContain(owner.email);
    }
  });

  test('AZ-01 a stranger’s lists hold nothing of the owner’s, whatever filter is sent', async () => {
    await newBooking(system, owner);
    const mine = await system.call('GET', '/api/bookings/', { token: stranger.token });
    expect([mine.status, mine.body.count, mine.body.bookings]).toEqual([200, 0, []]);
    for (const query of [`user=${owner.id}`, `user_id=${owner.id}`, 'all=1']) {
      const answer = await system.call('GET', `/api/bookings/?${query}`, { token: stranger.token });
      expect([query, answer.status]).toEqual([query, 400]);
    }
  });
});

describe('what may be answered', () => {
  /** Every object schema inside a JSON Schema. */
  function* objectsIn(schema: unknown): Generator<Record<string, unknown>> {
    if (typeof schema !== 'object' || schema === null) return;
    const node = schema as Record<string, unknown>;
    if (node['type'] === 'object') yield node;
    for (const child of Object.values(node)) yield* objectsIn(child);
  }

  test('AZ-04 every answer is a closed list of fields, none of them a secret of the house', () => {
    for (const route of listRoutes(system.server.deps)) {
      const objects = [
        ...objectsIn(z.toJSONSchema(route.response, { io: 'output', unrepresentable: 'any' })),
      ];
      expect(objects.length, nameOf(route)).toBeGreaterThan(0);
      for (const shape of objects) {
        expect(shape['additionalProperties'], nameOf(route)).toBe(false);
        const fields = Object.keys(shape['properties'] ?? {});
        expect(fields.join(' '), nameOf(route)).not.toMatch(
          /password|hash|refresh_token|session|workflow|(^| )ref( |$)|idempotency|lease/,
        );
      }
    }
  });

  test('AZ-04 a field that a handler adds by mistake is no answer', () => {
    const route = routeOf('GET /api/bookings/{id}/');
    const unknown = { code: 'unrecognized_keys', keys: ['password_hash'] };
    const issues = route.response.safeParse({ password_hash: 'x' }).error?.issues ?? [];
    expect(issues).toContainEqual(expect.objectContaining(unknown));
  });
});
