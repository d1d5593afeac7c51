import { type NativeConnection, Worker } from '@temporalio/worker';
import type { Activities } from '../activities/index.ts';
import { stripeStepsMax } from '../domain/limits.ts';
import { bundleWorkflows } from './bundle.ts';

export interface WorkerDeps {
  connection: NativeConnection;
  namespace: string;
  taskQueue: string;
  activities: Activities;
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
