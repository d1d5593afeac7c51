import type { StdioOptions } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { findFreePort } from '../../dev/ports.ts';
import { bootService } from '../setup/service-process.ts';
import { type System, startSystem, dayAhead, until } from '../setup/system.ts';
import { connectTemporal, type Temporal } from './worker-process.ts';

/** More lines than fit into a pipe that has no reader. */
const manyRequests = 400;

type Booted = ReturnType<typeof bootService>;
const running = new Set<Booted>();
const opened = new Set<number>();
afterEach(() => {
  for (const { child } of running) child.kill('SIGKILL');
  running.clear();
  for (const fd of opened) closeSync(fd);
  opened.clear();
});

let system: System;
let temporal: Temporal;
beforeAll(async () => {
  system = await startSystem({ worker: false });
  temporal = await connectTemporal();
});
afterAll(async () => {
  await temporal.connection.close();
  await system.stop();
});

/** What a process finds at its standard output, and what happens to it once the process runs. */
const outputs: [name: string, stdio: () => StdioOptions, then: (booted: Booted) => void][] = [
  ['whose disk is full', () => ['ignore', openFull(), openFull()], () => {}],
  ['whose reader stalls', () => ['ignore', 'pipe', 'pipe'], () => {}],
  [
    'whose reader has gone',
    () => ['ignore', 'pipe', 'pipe'],
    ({ child }) => void (child.stdout?.destroy(), child.stderr?.destroy()),
  ],
];

function openFull(): number {
  const fd = openSync('/dev/full', 'w');
  opened.add(fd);
  return fd;
}

/** The settings of the system of this file, for a process of its own. */
function settings(): Record<string, string> {
  const { database, temporal } = system.config;
  return {
    DEBUG: 'true',
    DATABASE_URL: database.url,
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_NAMESPACE: temporal.namespace,
    TEMPORAL_TASK_QUEUE: temporal.taskQueue,
    LIMIT_REQUESTS: '0',
    RECONCILE_SECONDS: '3600',
    WORKFLOW_BUNDLE: inject('workflowBundle'),
    LOG_LEVEL: 'debug',
    ...system.stripe.settings,
  };
}

async function bootApi(stdio: StdioOptions) {
  const port = await findFreePort();
  const booted = bootService('api/main.ts', { ...settings(), PORT: String(port) }, stdio);
  running.add(booted);
  const url = `http://127.0.0.1:${port}`;
  const get = (path: string) => fetch(url + path, { signal: AbortSignal.timeout(5_000) });
  await until('the start', async () => (await get('/livez').catch(() => undefined))?.ok, 40_000);
  return { ...booted, url, get };
}

async function bootWorker(stdio: StdioOptions, others: Record<string, string> = {}) {
  const booted = bootService('worker/main.ts', { ...settings(), ...others }, stdio);
  running.add(booted);
  return booted;
}

async function hasWorker(taskQueue: string): Promise<boolean> {
  const { namespace } = system.config.temporal;
  const found = await temporal.connection.workflowService.describeTaskQueue({
    namespace,
    taskQueue: { name: taskQueue },
  });
  return found.pollers.length > 0;
}

describe('an API with a log', () => {
  test.each(outputs)(
    '%s goes on taking bookings, answers its probes, and stops when it is asked to',
    async (name, stdio, then) => {
      const api = await bootApi(stdio());
      then(api);
      const room = await system.newRoom();
      const guest = await system.newUser();
      for (let n = 0; n < manyRequests; n++) await (await api.get('/api/rooms/')).arrayBuffer();
      const booked = await fetch(`${api.url}/api/bookings/`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${guest.token}`, 'Content-Type': 'application/json' },
        body: JSON.stringify({
          room_id: room,
          booking_date: dayAhead(3),
          start_time: '10:00',
          end_time: '11:00',
          guest_count: 1,
        }),
        signal: AbortSignal.timeout(10_000),
      });
      expect(booked.status).toBe(201);
      for (const path of ['/livez', '/readyz']) expect((await api.get(path)).status).toBe(200);
      const metrics = await (await api.get('/metrics')).text();
      const dropped = Number(/^log_lines_dropped_total (\d+)$/m.exec(metrics)?.[1]);
      // A reader that stalls is waited for until a mebibyte has come together.
      if (name !== 'whose reader stalls') expect(dropped).toBeGreaterThan(manyRequests / 2);
      api.child.kill('SIGTERM');
      expect(await api.ended).toEqual([0, null]);
    },
    90_000,
  );

  test.each(outputs)(
    '%s still ends with an error after one that was not handled',
    async (_, stdio, then) => {
      const api = await bootApi(stdio());
      then(api);
      for (let n = 0; n < manyRequests; n++) await (await api.get('/livez')).arrayBuffer();
      api.child.kill('SIGUSR2');
      expect(await api.ended).toEqual([1, null]);
    },
    90_000,
  );
});

describe('a worker', () => {
  test.each(outputs)(
    'with a log %s works, and stops when it is asked to',
    async (_, stdio, then) => {
      const taskQueue = `test-${randomUUID()}`;
      const worker = await bootWorker(stdio(), { TEMPORAL_TASK_QUEUE: taskQueue });
      then(worker);
      await until('the worker to ask for work', () => hasWorker(taskQueue), 40_000);
      worker.child.kill('SIGTERM');
      expect(await worker.ended).toEqual([0, null]);
    },
    90_000,
  );

  test.each([
    ['an unhandled error', 'SIGUSR2', 1],
    ['the signal to stop', 'SIGTERM', 0],
  ] as const)(
    'ends after %s, also while it waits for Temporal and nothing reads its output',
    async (_, signal, code) => {
      const worker = await bootWorker(['ignore', 'pipe', 'pipe'], {
        TEMPORAL_ADDRESS: `127.0.0.1:${await findFreePort()}`,
      });
      await until(
        'the worker to wait for Temporal',
        async () => {
          const said = worker.child.stdout?.read() as Buffer | null;
          return said?.toString().includes('Temporal is not responding; retrying');
        },
        40_000,
      );
      worker.child.kill(signal);
      expect(await worker.ended).toEqual([code, null]);
    },
    90_000,
  );
});
