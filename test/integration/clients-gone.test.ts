import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type System, startSystem, until } from '../setup/system.ts';

let system: System;
let log = '';
beforeAll(async () => {
  system = await startSystem({
    worker: false,
    logTo: { write: (line: string) => void (log += line) },
    settings: { LOG_LEVEL: 'debug' },
  });
  await system.newRoom();
});
afterAll(() => system.stop());

const head = 'Host: x\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n{"email": "';
/** What a client has sent when it resets its connection. */
const requests: [string, string | Buffer][] = [
  ['a request, before its answer', 'GET /api/rooms/ HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['many requests at once', 'GET /api/rooms/ HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(20)],
  ['half of a JSON body', `POST /api/login/ HTTP/1.1\r\n${head}`],
  ['half of a webhook', `POST /api/stripe-webhook/ HTTP/1.1\r\n${head}`],
  ['half of a form of the panel', `POST /admin/sign-in HTTP/1.1\r\n${head}`],
  ['half of its headers', 'GET /api/rooms/ HTTP/1.1\r\nHost: x\r\nX-Half'],
  [
    'a TLS handshake',
    Buffer.concat([Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]), randomBytes(200)]),
  ],
  ['nothing', ''],
];

/** Sends this and resets the connection: at once, or a moment later. */
function reset(text: string | Buffer, afterMs: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(system.url).port), '127.0.0.1', () => {
      socket.write(text);
      setTimeout(() => socket.resetAndDestroy(), afterMs);
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve());
  });
}

test.each(requests)(
  'clients that reset their connection after %s leave no error in the log, and are counted',
  async (_, text) => {
    log = '';
    const before = await countGone();
    const clients = 24;
    await Promise.all(Array.from({ length: clients }, (_, n) => reset(text, n % 4)));
    await system.call('GET', '/api/rooms/');
    // Whether a small answer is faster than the reset is a matter of chance.
    if (/^POST|X-Half/.test(String(text))) {
      await until('the count', async () => (await countGone()) > before);
    }
    expect((await countGone()) - before).toBeLessThanOrEqual(clients);
    // The relay may warn that the pool was busy with the requests of those who are gone.
    const levels = new Set(
      log
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).level),
    );
    expect([...levels].filter((level) => ['error', 'fatal'].includes(level))).toEqual([]);
  },
);

async function countGone(): Promise<number> {
  const { body } = await system.call('GET', '/metrics');
  const counts = [...String(body).matchAll(/^http_clients_gone_total\{.*\} (\d+)$/gm)];
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}
