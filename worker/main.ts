import { DefaultLogger, NativeConnection, Runtime } from '@temporalio/worker';
import { pino } from 'pino';
import { createActivities } from '../activities/index.ts';
import { createStripe } from '../activities/stripe-client.ts';
import { ConfigError, loadConfig } from '../config.ts';
import { connectDatabase } from '../db/knex.ts';
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
  const connection = await NativeConnection.connect({
    address: temporal.address,
    ...(temporal.tls && { tls: temporal.tls }),
    ...(temporal.apiKey && { apiKey: temporal.apiKey }),
  });
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
  log.info({ taskQueue }, 'worker ready');
  try {
    await worker.run();
  } finally {
    await connection.close();
    await db.destroy();
  }
  log.info('worker stopped');
}

main().catch((error: Error) => {
  console.error(error instanceof ConfigError ? error.message : error);
  process.exit(1);
});
