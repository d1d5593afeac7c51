import { setTimeout as sleep } from 'node:timers/promises';
import { DefaultLogger, Runtime, type Worker } from '@temporalio/worker';
import type { Logger } from 'pino';
import { createActivities } from '../activities/index.ts';
import { rememberSettings, rememberStripeAccount } from '../core/deployment/remember-settings.ts';
import { createStripe } from '../core/stripe/client.ts';
import { type Config, ConfigError, loadConfig } from '../config.ts';
import { connectDatabase } from '../db/knex.ts';
import { createProcessLog, type ProcessLog } from '../log.ts';
import { endInOrder } from '../process-end.ts';
import { serveOlderQueues } from './older-queues.ts';
import { connectWhenReady } from './connect.ts';
import { scheduleStep } from './schedule.ts';
import { searchAttributeStep } from './search-attribute.ts';
import { type SetUpStep, setUpNamespace } from './set-up.ts';
import { createWorker } from './worker.ts';
import { answerToArguments } from '../program-arguments.ts';

const help = `
npm run worker

Runs workflows and their activities until SIGINT or SIGTERM. It takes no
arguments, but the settings of .env.example (environment or .env).
`;

/** A stop takes a little longer than the worker lets its activities finish; after an error it takes 5 s at most. */
const stopMs = 40_000;
const stopAfterErrorMs = 5_000;
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
  const ended = new AbortController();
  let settingUp: Promise<void> = Promise.resolve();
  try {
    if (!connection) return;
    const stripe = createStripe(config.stripe);
    const activities = createActivities({ db, stripe, log, freeCancelHours: config.freeCancelHours });
    const { namespace, taskQueue } = config.temporal;
    const { workflowBundle, reconcileMs: everyMs } = config;
    const deps = { connection, namespace, activities, workflowBundle };
    const worker = await createWorker({ ...deps, taskQueue });
    const steps = [
      searchAttributeStep(connection, namespace),
      scheduleStep({ connection, namespace, taskQueue, everyMs }),
    ];
    settingUp = setUpNamespace(steps, {
      log,
      showPending: createPendingGauge(),
      stopping: AbortSignal.any([stopping, ended.signal]),
    });
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
    ended.abort();
    await settingUp;
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

/** Shows in the worker's metrics which steps of the set-up are outstanding (docs/operations.md, WorkerSetUpPending). */
function createPendingGauge() {
  const gauge = Runtime.instance().metricMeter.createGauge(
    'worker_setup_pending',
    'int',
    '',
    'What the namespace needs and this worker has not been able to make yet, by step',
  );
  return (step: SetUpStep['name'], pending: 0 | 1) => gauge.set(pending, { step });
}

main().catch((error: Error) => {
  console.error(error instanceof ConfigError ? error.message : error);
  process.exit(1);
});
