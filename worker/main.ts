import { setTimeout as sleep } from 'node:timers/promises';
import { DefaultLogger, NativeConnection, Runtime } from '@temporalio/worker';
import { type Logger, pino } from 'pino';
import { createActivities } from '../activities/index.ts';
import { createStripe } from '../core/stripe/client.ts';
import { type Config, ConfigError, loadConfig } from '../config.ts';
import { connectDatabase } from '../db/knex.ts';
import { ensureReconcileSchedule } from './schedule.ts';
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
  const connection = await connectWhenReady(temporal, log);
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
    log,
    workflowBundle: config.workflowBundle,
  });
  await ensureReconcileSchedule({ connection, namespace, taskQueue, log, everyMs: config.reconcileMs });
  log.info({ taskQueue }, 'worker ready');
  try {
    await worker.run();
  } finally {
    await connection.close();
    await db.destroy();
  }
  log.info('worker stopped');
}

const reconnectMs = 2_000;

/** Waits for Temporal instead of failing: it may be started after the worker, or be away for a while. */
async function connectWhenReady(temporal: Config['temporal'], log: Logger): Promise<NativeConnection> {
  for (;;) {
    try {
      return await NativeConnection.connect({
        address: temporal.address,
        // Said either way: an API key alone would make the client turn it on.
        tls: temporal.tls ?? false,
        ...(temporal.apiKey && { apiKey: temporal.apiKey }),
      });
    } catch (error) {
      log.warn({ err: error, address: temporal.address }, 'Temporal does not answer; trying again');
      await sleep(reconnectMs);
    }
  }
}

main().catch((error: Error) => {
  console.error(error instanceof ConfigError ? error.message : error);
  process.exit(1);
});
