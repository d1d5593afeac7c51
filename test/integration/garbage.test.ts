import { connect } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listRoutes } from '../../api/routes.ts';
import { expectProblem } from '../factories.ts';
import { garbageFor, type Garbage } from '../security/garbage.ts';
import { sized } from '../security/run.ts';
import { readAnswer, sendRaw } from '../setup/raw.ts';
import { startSystem, type System, type TestUser } from '../setup/system.ts';

/** Concurrent requests: fewer than hashes may wait, so that none is refused because of the queue. */
const lanes = 6;
const rounds = sized(1, 5);
/** Resident memory breathes with the garbage collector; what is held after a collection does not. */
const growthMaxMb = 256;
const heldMaxMb = 16;
const timeoutMs = sized(120_000, 1_200_000);

const residentMb = () => process.memoryUsage.rss() / 1024 ** 2;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;
/** After a collection: what the process holds on to, objects and buffers, and what is resident then. */
function memoryMb(): { held: number; resident: number } {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return { held: (heapUsed + external) / 1024 ** 2, resident: residentMb() };
}

describe('garbage', () => {
  let system: System;
  let guest: TestUser;
  let staff: TestUser;
  beforeAll(async () => {
    system = await startSystem({
      worker: false,
      settings: {
        LIMIT_LOGIN_FAILURES: '0',
        LIMIT_REGISTRATIONS: '0',
        CLEANUP_TOKEN: 'a-token-of-its-own',
        CORS_ORIGINS: 'https://app.com',
      },
    });
    [guest, staff] = await Promise.all([system.newUser(), system.newUser({ isStaff: true })]);
  });
  afterAll(() => system.stop());

  /** Sends all of it, a few at a time. Returns what was not refused as it should be. */
  async function throwAll(garbage: Garbage[], token: string): Promise<string[]> {
    const wrong: string[] = [];
    const queue = garbage[Symbol.iterator]();
    const lane = async () => {
      for (const one of queue) {
        const { status, headers, body } = await system.call(one.method, one.path, {
          token,
          ...(one.body !== undefined && { body: one.body }),
        });
        const refused = status >= 400 && status < 500;
        const isProblem = headers.get('Content-Type')?.startsWith('application/problem+json');
        const small = JSON.stringify(body).length < 10_000;
        if (!refused || !isProblem || !small) wrong.push(`${status} ${one.what}`);
      }
    };
    await Promise.all(Array.from({ length: lanes }, lane));
    return wrong;
  }

  test(
    'PG-12 HT-03 HT-12 HT-13 HT-15 AZ-03 on every field of every route is refused with 4xx, and memory stays flat',
    async ({ task }) => {
      const routes = listRoutes(system.server.deps);
      const garbage = routes.flatMap((route) => [...garbageFor(route)]);
      // Every route that reads anything is in it.
      const reading = routes.filter((route) => route.body ?? route.query ?? route.params);
      for (const { method, path } of reading) {
        expect(
          garbage.some(({ what }) => what.startsWith(`${method} ${path}:`)),
          path,
        ).toBe(true);
      }
      expect(garbage.length).toBeGreaterThan(500);
      // The first throw fills caches and pools; what the others add would be a leak.
      expect(await throwAll(garbage, staff.token)).toEqual([]);
      const before = memoryMb();
      for (let round = 0; round < rounds; round++) expect(await throwAll(garbage, guest.token)).toEqual([]);
      const after = memoryMb();
      const grown = { resident: after.resident - before.resident, held: after.held - before.held };
      task.meta.figure =
        `${garbage.length} × ${rounds + 1} requests, ${grown.held.toFixed(1)} MB more held, ` +
        `${grown.resident.toFixed(0)} MB more resident`;
      expect(grown.held).toBeLessThan(heldMaxMb);
      expect(grown.resident).toBeLessThan(growthMaxMb);
      expect(await system.db('users').count()).toEqual([{ count: '2' }]);
      expect(await system.db('bookings').count()).toEqual([{ count: '0' }]);
    },
    timeoutMs,
  );

  test('HT-03 a gzip bomb is refused unread on every route that takes a body', async ({ task }) => {
    const bomb = gzipSync(Buffer.alloc(50_000_000, ' '));
    const before = residentMb();
    let worstMs = 0;
    for (const route of listRoutes(system.server.deps).filter(({ method }) => method === 'POST')) {
      if (!route.body && !route.path.includes('webhook')) continue;
      for (const encoding of ['gzip', 'deflate', 'br', 'gzip, gzip', 'GZIP']) {
        const begun = performance.now();
        const answer = await fetch(system.url + route.path.replace('{id}', '1'), {
          method: 'POST',
          headers: {
            Authorization: `Bearer ${guest.token}`,
            'Content-Type': 'application/json',
            'Content-Encoding': encoding,
          },
          body: bomb,
        });
        await answer.arrayBuffer();
        worstMs = Math.max(worstMs, performance.now() - begun);
        expect([route.path, encoding, answer.status]).toEqual([route.path, encoding, 415]);
      }
    }
    task.meta.figure = `${Math.round(worstMs)} ms at worst, ${(residentMb() - before).toFixed(0)} MB more`;
    expect(residentMb() - before).toBeLessThan(growthMaxMb);
  }, 60_000);

  test.each(['http://[::1', 'http://[/', 'http://', 'http://?x'])(
    'HT-01 the target %s is no address: refused with 400, whatever the headers',
    async (target) => {
      for (const header of ['', 'Origin: https://app.com\r\n', 'Origin: https://evil.com\r\n']) {
        const text = `GET ${target} HTTP/1.1\r\nHost: x\r\n${header}\r\n`;
        const answer = readAnswer(await sendRaw(system.url, text));
        expectProblem(answer, 'malformed_request');
        expect(answer.headers.get('X-Content-Type-Options')).toBe('nosniff');
      }
    },
  );

  test.each([
    ['a line that is no request', 'GARBAGE\r\n\r\n', 'malformed_request'],
    ['no host', 'GET /livez HTTP/1.1\r\n\r\n', 'malformed_request'],
    [
      'large headers',
      `GET /livez HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`,
      'headers_too_large',
    ],
  ] as const)('HT-01 %s is refused as everything is', async (_, text, code) => {
    const answer = readAnswer(await sendRaw(system.url, text));
    expectProblem(answer, code);
    expect(answer.headers.get('Connection')).toBe('close');
  });

  test('an unknown Expect header is ignored', async () => {
    const text = 'GET /livez HTTP/1.1\r\nHost: x\r\nExpect: nonsense\r\nConnection: close\r\n\r\n';
    expect(readAnswer(await sendRaw(system.url, text)).status).toBe(200);
  });

  test('a request cut off or malformed at the protocol level does not disturb the others', async () => {
    const { port } = new URL(system.url);
    for (const text of [
      'GARBAGE\r\n\r\n',
      'POST /api/bookings/ HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{',
    ]) {
      await new Promise<void>((resolve) => {
        const socket = connect(Number(port), '127.0.0.1', () => socket.end(text));
        socket.on('close', () => resolve()).on('error', () => {});
        socket.resume();
      });
    }
    expect((await system.call('GET', '/livez')).status).toBe(200);
  });
});
