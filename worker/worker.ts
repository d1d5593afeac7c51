import { type NativeConnection, Worker } from '@temporalio/worker';
import type { Logger } from 'pino';
import type { Activities } from '../activities/index.ts';
import { stripeStepsMax } from '../domain/limits.ts';
import { bookingStatusAttribute } from '../workflows/messages.ts';
import { bundleWorkflows } from './bundle.ts';

export interface WorkerDeps {
  connection: NativeConnection;
  namespace: string;
  taskQueue: string;
  activities: Activities;
  log: Logger;
  /** A bundle made before (worker/bundle.ts); absent: made now. */
  workflowBundle?: string | undefined;
}

/** How long a stopping worker lets its activities finish: longer than any takes but the reconciler's, which begin again. */
const shutdownGraceTime = '25s';

/**
 * The worker: runs workflows and their activities until it is told to stop. Any number may run; they share the
 * task queue.
 */
export async function createWorker(deps: WorkerDeps): Promise<Worker> {
  await registerSearchAttribute(deps);
  const workflowBundle = deps.workflowBundle
    ? { codePath: deps.workflowBundle }
    : { code: await bundleWorkflows() };
  return Worker.create({
    connection: deps.connection,
    namespace: deps.namespace,
    taskQueue: deps.taskQueue,
    workflowBundle,
    activities: deps.activities,
    shutdownGraceTime,
    shutdownForceTime: '30s',
    maxCachedWorkflows: 1_000,
    maxConcurrentActivityTaskExecutions: stripeStepsMax + 25,
    maxConcurrentLocalActivityExecutions: 50,
    maxConcurrentWorkflowTaskExecutions: 50,
  });
}

/**
 * Makes `BookingStatus` known to the namespace. Where that is not allowed (Temporal Cloud: create it there by
 * hand), everything runs without it: the relay starts workflows with the attribute only if the server has it.
 */
async function registerSearchAttribute({ connection, namespace, log }: WorkerDeps): Promise<void> {
  try {
    const keyword = 2;
    const searchAttributes = { [bookingStatusAttribute]: keyword };
    await connection.withDeadline(Date.now() + 5_000, () =>
      connection.operatorService.addSearchAttributes({ namespace, searchAttributes }),
    );
  } catch (error) {
    const known = (error as { code?: number }).code === 6;
    if (!known)
      log.warn(
        { err: error },
        `The search attribute ${bookingStatusAttribute} could not be registered; running without it`,
      );
  }
}
