import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dayAhead, startSystem, type System, type TestUser, until } from '../setup/system.ts';

describe('a rolling restart', () => {
  let system: System;
  let guest: TestUser;
  let settings: NodeJS.ProcessEnv;
  const children = new Set<ChildProcess>();

  beforeAll(async () => {
    system = await startSystem({ worker: false });
    guest = await system.newUser();
    settings = {
      ...process.env,
      DEBUG: 'true',
      DATABASE_URL: system.database.url,
      TEMPORAL_ADDRESS: system.config.temporal.address,
      TEMPORAL_TASK_QUEUE: system.config.temporal.taskQueue,
      ...system.stripe.settings,
      LIMIT_OPEN_HOLDS: '0',
      LIMIT_REPEATED_HOLDS: '0',
      LIMIT_REQUESTS: '0',
      LOG_LEVEL: 'warn',
      SHUTDOWN_DELAY_SECONDS: '1',
    };
  });
  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL');
    await system.stop();
  });

  async function startApi(port: number): Promise<ChildProcess> {
    const child = spawn(process.execPath, ['--import', 'tsx', 'api/main.ts'], {
      env: { ...settings, PORT: String(port) },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    children.add(child);
    await until('the API', () => ready(port), 30_000);
    return child;
  }

  const ready = (port: number) =>
    fetch(`http://127.0.0.1:${port}/readyz`).then(
      ({ status }) => status === 200,
      () => false,
    );

  test('HT-10 no request fails while one API after the other is restarted under load', async () => {
    const [first, second] = [await freePort(), await freePort()];
    const apis = new Map([
      [first, await startApi(first)],
      [second, await startApi(second)],
    ]);
    // What a load balancer does: it asks each for its readiness, and sends requests to those that are ready.
    const balancer = createBalancer([...apis.keys()], ready);
    const roomId = await system.newRoom();
    const failures: string[] = [];
    let answered = 0;
    let nth = 0;
    const load = setInterval(() => {
      const at = nth++;
      const body = {
        room_id: roomId,
        booking_date: dayAhead(2 + Math.floor(at / 48)),
        start_time: timeOf((at % 48) * 30),
        end_time: timeOf((at % 48) * 30 + 30),
        guest_count: 1,
      };
      balancer.send(guest.token, body).then(
        (status) => (status < 500 ? answered++ : failures.push(`status ${status}`)),
        (error: Error) => failures.push(error.message),
      );
    }, 20);

    for (const [port, api] of apis) {
      const ended = once(api, 'exit');
      api.kill('SIGTERM');
      expect((await ended)[0]).toBe(0);
      children.delete(api);
      await startApi(port);
    }
    clearInterval(load);
    await until('the last answers', async () => answered + failures.length === nth);
    balancer.stop();
    expect(failures).toEqual([]);
    expect(answered).toBeGreaterThan(100);
  }, 60_000);
});

function timeOf(minutes: number): string {
  const two = (n: number) => String(n).padStart(2, '0');
  return `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

/** Round robin over what is ready, with keep-alive connections, checked every 200 ms. */
function createBalancer(ports: number[], isReady: (port: number) => Promise<boolean>) {
  const agent = new http.Agent({ keepAlive: true });
  let healthy = [...ports];
  let turn = 0;
  const check = setInterval(() => {
    void Promise.all(ports.map(isReady)).then((states) => {
      healthy = ports.filter((_, index) => states[index]);
    });
  }, 200);
  return {
    send(token: string, body: unknown): Promise<number> {
      const port = healthy[turn++ % healthy.length];
      return new Promise((resolve, reject) => {
        const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
        const request = http.request(
          { host: '127.0.0.1', port, path: '/api/bookings/', method: 'POST', agent, headers },
          (response) => response.resume().on('end', () => resolve(response.statusCode ?? 0)),
        );
        request.on('error', reject).end(JSON.stringify(body));
      });
    },
    stop() {
      clearInterval(check);
      agent.destroy();
    },
  };
}
