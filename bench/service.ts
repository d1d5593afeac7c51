import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { createAccessTokens } from '../http/auth/access-tokens.ts';
import { findFreePort, listens } from '../dev/ports.ts';
import type { RunningProcess } from '../dev/processes.ts';
import { emulatorKeys } from '../dev/stripe/keys.ts';
import { connectStripeControl } from '../dev/stripe.ts';
import { startTemporal } from '../dev/temporal.ts';
import { connect, type Ground, nodeProcess } from './ground.ts';
import { usersCount } from './seed.ts';
import { cpuMs } from './usage.ts';

export interface ServiceOptions {
  /** With Temporal, worker and a relay that has something to do; without: the API beside a Temporal that is away. */
  temporal: boolean;
  /** Note what the heaps of API and worker keep (heap-notes.mjs). */
  watchHeaps?: boolean;
  settings?: Record<string, string>;
}

const secretKey = randomUUID() + randomUUID();
const taskQueue = 'bench';
const readyMs = 30_000;
const settlePollMs = 160;
const settleQuietPolls = 8;
const settleMsMax = 15 * 60_000;
let services = 0;

/** The whole service in processes of its own, on free ports, in a database of its own, with its limits off. */
export async function startService(ground: Ground, options: ServiceOptions) {
  const { processes } = ground;
  const started: (() => Promise<unknown>)[] = [];
  const dataDir = join(ground.dir, `service-${++services}`);
  mkdirSync(dataDir);
  const stop = async () => {
    for (const end of started.reverse()) await end();
  };
  try {
    const database = await ground.newDatabase();
    started.push(database.drop);
    const [port, stripePort] = [await findFreePort(), await findFreePort()];
    const temporal = options.temporal
      ? await startTemporal({
          dataDir,
          port: 0,
          uiPort: undefined,
          log: ground.log,
          processes,
          stopSteps: [{ signal: 'SIGKILL', waitMs: 5_000 }],
        })
      : undefined;
    if (temporal) started.push(temporal.stop);
    const stripe = await processes.start({
      ...nodeProcess('stripe', 'dev/stripe/main.ts', {
        DEV_STRIPE_PORT: String(stripePort),
        STRIPE_WEBHOOK_URL: `http://127.0.0.1:${port}/api/stripe-webhook/`,
        DATA_DIR: dataDir,
      }),
      ready: (_pid, starting) => until(() => listens('127.0.0.1', stripePort), starting),
    });
    started.push(stripe.stop);
    const temporalAddress = temporal?.settings.TEMPORAL_ADDRESS ?? `127.0.0.1:${await findFreePort()}`;
    const env = {
      // The emulator's public key is taken in debug only.
      ...{
        DEBUG: 'true',
        HOST: '127.0.0.1',
        PORT: String(port),
        LOG_LEVEL: 'warn',
        DATABASE_URL: database.url,
      },
      ...{ SECRET_KEY: secretKey, CLEANUP_TOKEN: randomUUID(), BOOKING_HORIZON_DAYS: '3650' },
      ...{ LIMIT_OPEN_HOLDS: '0', LIMIT_REQUESTS: '0', LIMIT_LOGIN_FAILURES: '0', LIMIT_REGISTRATIONS: '0' },
      ...{ TEMPORAL_ADDRESS: temporalAddress, TEMPORAL_TASK_QUEUE: taskQueue },
      ...{ ...emulatorKeys, STRIPE_API_BASE: `http://127.0.0.1:${stripePort}` },
      WORKFLOW_BUNDLE: ground.workflowBundle,
      ...options.settings,
    };
    const watched = (name: string, script: string) => {
      if (!options.watchHeaps) return nodeProcess(name, script, env);
      const notes = { BENCH_HEAP_NOTES: join(dataDir, `heap-${name}`) };
      return nodeProcess(name, script, { ...env, ...notes }, [], ['./bench/heap-notes.mjs']);
    };
    let worker: RunningProcess | undefined;
    if (temporal) {
      worker = await processes.start({
        ...watched('worker', 'worker/main.ts'),
        ready: (_pid, starting) => until(() => isPolled(temporalAddress, taskQueue), starting),
      });
      started.push(worker.stop);
    }
    const api = await processes.start({
      ...watched('api', 'api/main.ts'),
      ready: (_pid, starting) => until(() => listens('127.0.0.1', port), starting),
    });
    started.push(api.stop);
    const db = await connect(database.ownerUrl);
    started.push(() => db.end());
    const pids = {
      api: api.pid(),
      worker: worker?.pid(),
      temporal: temporal?.pid(),
      postgres: ground.postgresPid(),
      stripe: stripe.pid(),
    };
    const accessTokens = createAccessTokens([secretKey]);
    const tokenOf = (userId: number) => accessTokens.sign({ userId, sessionId: randomUUID() });
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
        port: stripePort,
        key: emulatorKeys.STRIPE_SECRET_KEY,
        webhookSecret: emulatorKeys.STRIPE_WEBHOOK_SECRET,
        control: connectStripeControl(`http://127.0.0.1:${stripePort}`, emulatorKeys.STRIPE_SECRET_KEY),
      },
      tokenOf,
      /** A token of every user, fresh: they live for half an hour. */
      tokens: () => Array.from({ length: usersCount }, (_, n) => tokenOf(n + 1)),
      /** The first slot that nobody has used, and takes so many from there. */
      takeSlots(count: number): number {
        slots += count;
        return slots - count;
      },
      /** Gives the unused ones of the last `takeSlots` back. */
      giveSlotsBack(count: number): void {
        slots -= count;
      },
      /** What a heap has kept at each of its full collections since it was started, oldest first. */
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
      /** Messages that wait for the relay. */
      async waiting(): Promise<number> {
        const { rows } = await db.query(
          `select count(*)::int as n from outbox where available_at < 'infinity' and dead_at is null`,
        );
        return rows[0].n;
      },
      /**
       * Waits until every message is carried, and worker and Temporal rest for a while: what is measured next begins
       * undisturbed. A moment's rest is none: between two of Temporal's batches of tasks the worker has nothing to do.
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
export async function startFloorWorker(ground: Ground, temporalAddress: string) {
  const queue = `floor-${randomUUID()}`;
  const worker = await ground.processes.start({
    ...nodeProcess('floor-worker', 'bench/floor/worker.ts', {}, [temporalAddress, queue]),
    ready: (_pid, starting) => until(() => isPolled(temporalAddress, queue), starting),
  });
  return { taskQueue: queue, pid: worker.pid(), stop: worker.stop };
}

async function until(done: () => Promise<boolean>, starting: AbortSignal): Promise<void> {
  const giveUpAt = Date.now() + readyMs;
  while (!starting.aborted && !(await done())) {
    if (Date.now() > giveUpAt) throw new Error('not ready in time');
    await sleep(50);
  }
}

/** Does a worker ask for this task queue's workflow tasks? */
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

/** How many workflows match, e.g. `WorkflowType = "smallest" AND ExecutionStatus = "Completed"`. */
export async function createWorkflowCounter(address: string) {
  const connection = await Connection.connect({ address });
  const client = new Client({ connection });
  return {
    client,
    count: async (query: string) => (await client.workflow.count(query)).count,
    close: () => connection.close(),
  };
}
