import { DefaultLogger, Runtime } from '@temporalio/worker';
import { pino } from 'pino';
import { createActivities } from '../activities/index.ts';
import { ConfigError, loadConfig } from '../config.ts';
import { createStripe } from '../core/stripe/client.ts';
import { connectDatabase } from '../db/knex.ts';
import { connectWhenReady } from './connect.ts';
import { scheduleStep } from './schedule.ts';
import { searchAttributeStep } from './search-attribute.ts';
import { type SetUpStep, setUpNamespace } from './set-up.ts';
import { createWorker } from './worker.ts';

/** The worker process: real dependencies, and an orderly stop on SIGINT or SIGTERM (the SDK's runtime sees to it). */
async function main(): Promise<void> {
  const config = loadConfig(process.env);
  const log = pino({ level: config.logLevel, base: { service: 'worker' } });
  Runtime.install({
    logger: new DefaultLogger('WARN', ({ level, message, meta }) => {
      log[level === 'ERROR' ? 'error' : 'warn']({ ...meta }, message);
    }),
    ...(config.metricsAddress && {
      telemetryOptions: { metrics: { prometheus: { bindAddress: config.metricsAddress } } },
    }),
  });
  const { temporal } = config;
  const db = connectDatabase(config.database.url, {
    poolMax: config.database.poolMax,
    applicationName: 'booking-worker',
    // Nobody waits for an answer here: better slow than repeated.
    acquireMs: 5_000,
  });
  const stop = listenForStop();
  const connection = await connectWhenReady(temporal, log, stop.signal);
  if (!connection) {
    await db.destroy();
    return log.info('worker stopped');
  }
  const activities = createActivities({
    db,
    stripe: createStripe(config.stripe),
    log,
    freeCancelHours: config.freeCancelHours,
  });
  const { namespace, taskQueue } = temporal;
  const worker = await createWorker({
    connection,
    namespace,
    taskQueue,
    activities,
    workflowBundle: config.workflowBundle,
  });
  const steps = [
    searchAttributeStep(connection, namespace),
    scheduleStep({ connection, namespace, taskQueue, everyMs: config.reconcileMs }),
  ];
  const settingUp = setUpNamespace(steps, { log, showPending: createPendingGauge(), stopping: stop.signal });
  log.info({ taskQueue }, 'worker ready');
  try {
    await worker.run();
  } finally {
    stop.abort();
    await settingUp;
    await connection.close();
    await db.destroy();
  }
  log.info('worker stopped');
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

/** Aborted by the first SIGINT or SIGTERM. The second one ends the process as it is. */
function listenForStop(): AbortController {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  return stop;
}

main().then(
  // An attempt to connect that is still open must not keep a worker alive that was told to stop.
  () => setTimeout(() => process.exit(0), 1_000).unref(),
  (error: Error) => {
    console.error(error instanceof ConfigError ? error.message : error);
    process.exit(1);
  },
);
