import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Client, Connection, ScheduleNotFoundError } from '@temporalio/client';
import { inject } from 'vitest';
import type { Config } from '../../config.ts';
import { projectDir } from '../../dev/project-dir.ts';
import { reconcileScheduleId } from '../../domain/workflow-ids.ts';

/**
 * A worker as a process of its own, as in production: it can be killed, and has metrics of its own. The reconciler
 * stays away unless `RECONCILE_SECONDS` says otherwise.
 */
export function spawnWorker(
  config: Pick<Config, 'database' | 'temporal'>,
  stripeSettings: Record<string, string>,
  settings: Record<string, string> = {},
) {
  const { address, namespace, taskQueue } = config.temporal;
  const child = spawn(process.execPath, ['--import', 'tsx', 'worker/main.ts'], {
    cwd: projectDir,
    env: {
      PATH: process.env['PATH'],
      DEBUG: 'true',
      DATABASE_URL: config.database.url,
      TEMPORAL_ADDRESS: address,
      TEMPORAL_NAMESPACE: namespace,
      TEMPORAL_TASK_QUEUE: taskQueue,
      WORKFLOW_BUNDLE: inject('workflowBundle'),
      RECONCILE_SECONDS: '3600',
      ...stripeSettings,
      ...settings,
    },
    stdio: 'ignore',
  });
  return {
    isRunning: () => child.exitCode === null && child.signalCode === null,
    /** Asks it to stop. @returns its exit code, null when a signal ended it */
    async terminate(): Promise<number | null> {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      return (await ended)[0] as number | null;
    },
    async kill(): Promise<void> {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

export type WorkerProcess = ReturnType<typeof spawnWorker>;

/** A client of the run's Temporal, past any proxy. */
export async function connectTemporal(namespace = inject('temporal').namespace) {
  const connection = await Connection.connect({ address: inject('temporal').address });
  const client = new Client({ connection, namespace });
  return {
    workflow: client.workflow,
    connection,
    /** The Schedule outlives the worker process that has made it. */
    async stop(taskQueue: string): Promise<void> {
      await client.schedule
        .getHandle(reconcileScheduleId(taskQueue))
        .delete()
        .catch((error: unknown) => {
          if (!(error instanceof ScheduleNotFoundError)) throw error;
        });
      await connection.close();
    },
  };
}

export type Temporal = Awaited<ReturnType<typeof connectTemporal>>;
