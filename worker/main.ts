import { setTimeout as sleep } from 'node:timers/promises';
import { DefaultLogger, NativeConnection, Runtime, type Worker } from '@temporalio/worker';
import type { Logger } from 'pino';
import { createActivities } from '../activities/index.ts';
import { rememberSettings, rememberStripeAccount } from '../core/deployment/remember-settings.ts';
import { createStripe } from '../core/stripe/client.ts';
import { type Config, ConfigError, loadConfig } from '../config.ts';
import { connectDatabase } from '../db/knex.ts';
import { createProcessLog, type ProcessLog } from '../log.ts';
import { endInOrder } from '../process-end.ts';
import { serveOlderQueues } from './older-queues.ts';
import { ensureReconcileSchedule } from './schedule.ts';
import { createWorker } from './worker.ts';
import { answerToArguments } from '../domain/arguments.ts';

const help = `
npm run worker

Runs workflows and their activities until SIGINT or SIGTERM. It takes no
arguments, but the settings of .env.example (environment or .env).
`;

/** A stop takes as long as the worker lets its activities finish, and a little; after an error no longer than this. */
const stopMs = 40_000;
const stopAfterErrorMs = 5_000;
const reconnectMs = 2_000;
const countDroppedEveryMs = 5_000;

/** The worker process. SIGINT and SIGTERM let its activities finish; an unexpected error ends it with exit code 1. */
async function main(): Promise<void> {
  const answer = answerToArguments(help, process.argv.slice(2));
  if (answer) {
    (answer.exitCode === 0 ? console.log : console.error)(answer.text);
    process.exit(answer.exitCode);
  }
  const config = loadConfig(process.env);
  const processLog = createProcessLog({ level: config.logLevel, service: 'worker' });
  installRuntime(config, processLog);
  const stopping = new AbortController();
  let work: Promise<void> = Promise.resolve();
  const { fail } = endInOrder(processLog, {
    async stop({ atOnce }) {
      stopping.abort();
      const ended = work.catch(() => {});
      await Promise.race([ended, sleep(atOnce ? stopAfterErrorMs : stopMs, undefined, { ref: false })]);
    },
    stopMaxMs: stopMs + 1_000,
    signals: ['SIGINT', 'SIGTERM'],
  });
  work = run(config, processLog.log, stopping.signal);
  await work.catch((error: unknown) => fail(error));
}

/** Works until it is told to stop. @throws when the worker cannot go on */
async function run(config: Config, log: Logger, stopping: AbortSignal): Promise<void> {
  const db = connectDatabase(config.database.url, {
    poolMax: config.database.poolMax,
    prepared: config.database.prepared,
    applicationName: 'booking-worker',
    say: (sentence) => log.warn(sentence),
    // Nobody waits for an answer here: better slow than repeated.
    acquireMs: 5_000,
  });
  const connection = await connectWhenReady(config.temporal, log, stopping);
  try {
    if (!connection) return;
    const stripe = createStripe(config.stripe);
    const activities = createActivities({ db, stripe, log, freeCancelHours: config.freeCancelHours });
    const { namespace, taskQueue } = config.temporal;
    const { workflowBundle, reconcileMs: everyMs } = config;
    const deps = { connection, namespace, activities, log, workflowBundle };
    const worker = await createWorker({ ...deps, taskQueue });
    await ensureReconcileSchedule({ connection, namespace, taskQueue, log, everyMs });
    log.info({ taskQueue }, 'worker ready');
    await Promise.all([
      runUntil(worker, stopping),
      rememberStripeAccount({ db, stripe, log }, config.stripe, stopping),
      rememberSettings({ db, stripe, log }, config, stopping).then(() =>
        serveOlderQueues({ db, log, connection, namespace, taskQueue, stopping }, async (older) =>
          runUntil(await createWorker({ ...deps, taskQueue: older }), stopping),
        ),
      ),
    ]);
  } finally {
    await connection?.close();
    await db.destroy();
  }
}

async function runUntil(worker: Worker, stopping: AbortSignal): Promise<void> {
  const shutDown = () => {
    if (worker.getState() === 'RUNNING') worker.shutdown();
  };
  const running = worker.run();
  stopping.addEventListener('abort', shutDown, { once: true });
  if (stopping.aborted) shutDown();
  await running;
}

/**
 * Temporal's own log goes the way of ours: what its native part writes to standard output by itself would stop it when
 * nobody reads that.
 */
function installRuntime(config: Config, { log, destination }: ProcessLog): void {
  const runtime = Runtime.install({
    logger: new DefaultLogger('WARN', ({ level, message, meta }) => {
      log[level === 'ERROR' ? 'error' : 'warn']({ ...meta }, message);
    }),
    // The process stops itself, also while Temporal is away and there is no worker yet.
    shutdownSignals: [],
    telemetryOptions: {
      logging: { forward: {} },
      ...(config.metricsAddress && { metrics: { prometheus: { bindAddress: config.metricsAddress } } }),
    },
  });
  const droppedLines = runtime.metricMeter.createCounter('log_lines_dropped_total');
  let counted = 0;
  setInterval(() => {
    const dropped = destination.dropped();
    droppedLines.add(dropped - counted);
    counted = dropped;
  }, countDroppedEveryMs).unref();
}

/** Waits for Temporal instead of failing: it may be started after the worker, or be away for a while. */
async function connectWhenReady(
  temporal: Config['temporal'],
  log: Logger,
  stopping: AbortSignal,
): Promise<NativeConnection | undefined> {
  while (!stopping.aborted) {
    try {
      return await NativeConnection.connect({
        address: temporal.address,
        // Said either way: an API key alone would make the client turn it on.
        tls: temporal.tls ?? false,
        ...(temporal.apiKey && { apiKey: temporal.apiKey }),
      });
    } catch (error) {
      log.warn({ err: error, address: temporal.address }, 'Temporal is not responding; retrying');
      await sleep(reconnectMs, undefined, { signal: stopping }).catch(() => {});
    }
  }
  return undefined;
}

main().catch((error: Error) => {
  console.error(error instanceof ConfigError ? error.message : error);
  process.exit(1);
});
