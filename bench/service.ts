import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { emulatorKeys } from 'stripe-emulator';
import { createAccessTokens } from '../http/auth/access-tokens.ts';
import { findFreePort } from '../dev/ports.ts';
import type { RunningProcess } from '../dev/processes.ts';
import { bareEnvironment } from '../dev/processes/node-process.ts';
import { until } from '../dev/until.ts';
import { benchProcess, type Environment, nodeArgs } from './environment.ts';
import { sessionIdOf, usersCount } from './seed.ts';
import { cpuMs } from './usage.ts';

export interface ServiceOptions {
  /** With Temporal, worker and a busy relay; otherwise the API alone, with Temporal unreachable. */
  temporal: boolean;
  /** Record what the heaps of API and worker keep (heap-notes.mjs). */
  watchHeaps?: boolean;
  settings?: Record<string, string>;
  /** Reach Postgres by this `host:port` of a pooler instead of its own. */
  databaseAddress?: string;
}

const secretKey = randomUUID() + randomUUID();
const taskQueue = 'bench';
const settlePollMs = 160;
const settleQuietPolls = 8;
const settleMsMax = 15 * 60_000;
let services = 0;

/** The whole service in processes of its own, on free ports, in a database of its own, with its limits off. */
export async function startService(environment: Environment, options: ServiceOptions) {
  const { stack } = environment;
  const started: (() => Promise<unknown>)[] = [];
  const dataDir = join(stack.dataDir, `service-${++services}`);
  mkdirSync(dataDir);
  const stop = async () => {
    for (const end of started.reverse()) await end();
  };
  try {
    const database = await environment.newDatabase();
    started.push(database.drop);
    const port = await findFreePort();
    const temporal = options.temporal ? await stack.startTemporal({ dataDir }) : undefined;
    if (temporal) started.push(temporal.stop);
    const webhookUrl = `http://127.0.0.1:${port}/api/stripe-webhook/`;
    const stripe = await stack.startStripe({ dataDir, webhookUrl });
    started.push(stripe.stop);
    const temporalAddress = temporal?.settings.TEMPORAL_ADDRESS ?? `127.0.0.1:${await findFreePort()}`;
    const env: NodeJS.ProcessEnv = {
      ...bareEnvironment(),
      // The emulator's public key is accepted in debug only.
      ...{
        DEBUG: 'true',
        HOST: '127.0.0.1',
        LOG_LEVEL: 'warn',
        DATABASE_URL: Object.assign(
          new URL(database.url),
          options.databaseAddress && { host: options.databaseAddress },
        ).href,
      },
      ...{ SECRET_KEY: secretKey, CLEANUP_TOKEN: randomUUID(), BOOKING_HORIZON_DAYS: '3650' },
      ...{ LIMIT_OPEN_HOLDS: '0', LIMIT_REPEATED_HOLDS: '0', LIMIT_REQUESTS: '0' },
      ...{ LIMIT_LOGIN_FAILURES: '0', LIMIT_REGISTRATIONS: '0' },
      ...{ TEMPORAL_ADDRESS: temporalAddress, TEMPORAL_TASK_QUEUE: taskQueue },
      ...stripe.settings,
      WORKFLOW_BUNDLE: environment.workflowBundle,
      ...options.settings,
    };
    const part = (name: string) => {
      if (!options.watchHeaps) return { env, nodeArgs: nodeArgs() };
      const notes = { BENCH_HEAP_NOTES: join(dataDir, `heap-${name}`) };
      return { env: { ...env, ...notes }, nodeArgs: nodeArgs(), preloads: ['./bench/heap-notes.mjs'] };
    };
    let worker: RunningProcess | undefined;
    if (temporal) {
      const isReady = () => isPolled(temporalAddress, taskQueue);
      worker = await stack.startWorker({ ...part('worker'), isReady });
      started.push(worker.stop);
    }
    const api = await stack.startApi({ ...part('api'), port });
    started.push(api.stop);
    const db = new pg.Client({ connectionString: database.ownerUrl });
    await db.connect();
    started.push(() => db.end());
    const pids = {
      api: api.pid(),
      worker: worker?.pid(),
      temporal: temporal?.pid(),
      postgres: environment.postgresPid(),
      stripe: stripe.pid(),
    };
    const accessTokens = createAccessTokens([secretKey]);
    const tokenOf = (userId: number) => accessTokens.sign({ userId, sessionId: sessionIdOf(userId) });
    let slots = 0;

    return {
      options,
      port,
      pids,
      /** As the owner of the schema. */
      db,
      databaseUrl: database.url,
      temporalAddress,
      stripe: {
        port: Number(new URL(stripe.url).port),
        key: emulatorKeys.STRIPE_SECRET_KEY,
        webhookSecret: emulatorKeys.STRIPE_WEBHOOK_SECRET,
        control: stripe.control,
      },
      tokenOf,
      /** A token of every user, fresh: they live for half an hour. */
      tokens: () => Array.from({ length: usersCount }, (_, n) => tokenOf(n + 1)),
      /** Reserves this many unused slots. @returns the first */
      takeSlots(count: number): number {
        slots += count;
        return slots - count;
      },
      /** Gives the unused ones of the last `takeSlots` back. */
      giveSlotsBack(count: number): void {
        slots -= count;
      },
      /** The size that a heap kept at each full collection since it started, oldest first. */
      keptBy(name: 'api' | 'worker', heap: 'main' | 'thread'): { atMs: number; mib: number }[] {
        const file = join(dataDir, `heap-${name}-${heap}`);
        if (!existsSync(file)) return [];
        const lines = readFileSync(file, 'utf8').trim().split('\n');
        return lines.map((line) => {
          const [atMs, bytes] = line.split(' ').map(Number) as [number, number];
          return { atMs, mib: bytes / 1024 ** 2 };
        });
      },
      /** CPU time so far in milliseconds, by part. */
      cpu: () => ({
        api: cpuMs(pids.api),
        worker: cpuMs(pids.worker),
        temporal: cpuMs(pids.temporal),
        postgres: cpuMs(pids.postgres, { family: true }),
        stripe: cpuMs(pids.stripe),
      }),
      /** The number of messages that wait for the relay. */
      async waiting(): Promise<number> {
        const { rows } = await db.query(
          `select count(*)::int as n from outbox where available_at < 'infinity' and dead_at is null`,
        );
        return rows[0].n;
      },
      /**
       * Waits until every message is delivered and worker and Temporal have been idle for a while, so that the next
       * measurement starts undisturbed. A short pause does not count: between two batches of Temporal's tasks the
       * worker is idle too.
       */
      async settle(): Promise<void> {
        if (!options.temporal) return;
        const giveUpAt = Date.now() + settleMsMax;
        const used = () => cpuMs(pids.worker) + cpuMs(pids.temporal);
        for (let before = used(), quiet = 0; quiet < settleQuietPolls; ) {
          await sleep(settlePollMs);
          const now = used();
          const rests = now - before <= settlePollMs / 4 && (await this.waiting()) === 0;
          quiet = rests ? quiet + 1 : 0;
          before = now;
          if (Date.now() > giveUpAt) throw new Error('the backlog did not end');
        }
      },
      stop,
    };
  } catch (error) {
    await stop().catch(() => {});
    throw error;
  }
}

export type Service = Awaited<ReturnType<typeof startService>>;

/** The bench's own worker for the floors that are workflows. */
export async function startFloorWorker(environment: Environment, temporalAddress: string) {
  const queue = `floor-${randomUUID()}`;
  const worker = await environment.stack.processes.start({
    ...benchProcess('floor-worker', 'bench/floor/worker.ts', [temporalAddress, queue]),
    ready: (_process, starting) =>
      until('the floor’s worker', () => isPolled(temporalAddress, queue), starting),
  });
  return { taskQueue: queue, pid: worker.pid(), stop: worker.stop };
}

/** Whether a worker polls this task queue for workflow tasks. */
async function isPolled(address: string, name: string): Promise<boolean> {
  const connection = await Connection.connect({ address });
  try {
    const request = { namespace: 'default', taskQueue: { name }, taskQueueType: 1 };
    const { pollers } = await connection.workflowService.describeTaskQueue(request);
    return (pollers?.length ?? 0) > 0;
  } finally {
    await connection.close();
  }
}

/** The number of workflows that match, e.g. `WorkflowType = "smallest" AND ExecutionStatus = "Completed"`. */
export async function createWorkflowCounter(address: string) {
  const connection = await Connection.connect({ address });
  const client = new Client({ connection });
  return {
    client,
    count: async (query: string) => (await client.workflow.count(query)).count,
    close: () => connection.close(),
  };
}
