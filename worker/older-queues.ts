import { setTimeout as sleep } from 'node:timers/promises';
import { ScheduleClient } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import type { Logger } from 'pino';
import { findOlderTaskQueues, rememberTaskQueue } from '../db/deployment.ts';
import type { Db } from '../db/knex.ts';
import { reconcileScheduleId } from '../domain/workflow-ids.ts';

const retryMs = 5_000;

interface OlderQueues {
  db: Db;
  log: Logger;
  connection: NativeConnection;
  namespace: string;
  taskQueue: string;
  stopping: AbortSignal;
}

/**
 * Serves the task queues of earlier values of `TEMPORAL_TASK_QUEUE` too: a workflow stays on the queue that it began on,
 * and without a worker there its booking could not be cancelled for as long as it is open.
 * @param serve runs a worker on a task queue until the process stops
 */
export async function serveOlderQueues(
  queues: OlderQueues,
  serve: (taskQueue: string) => Promise<void>,
): Promise<void> {
  const { log } = queues;
  const older = await findWhenReady(queues);
  await Promise.all(
    older.map(async (name) => {
      log.warn({ taskQueue: name }, 'open bookings may be on this task queue of before; it is served too');
      await deleteSchedule(queues, name);
      await serve(name);
    }),
  );
}

async function findWhenReady(queues: OlderQueues): Promise<string[]> {
  const { db, log, namespace, taskQueue, stopping } = queues;
  while (!stopping.aborted) {
    try {
      await rememberTaskQueue(db, namespace, taskQueue);
      return await findOlderTaskQueues(db, namespace, taskQueue);
    } catch (error) {
      log.debug({ err: error }, 'the task queues of before are not known yet');
      await sleep(retryMs, undefined, { signal: stopping }).catch(() => {});
    }
  }
  return [];
}

/** One reconciler is enough, and it is that of the new task queue. */
async function deleteSchedule({ connection, namespace, log }: OlderQueues, taskQueue: string): Promise<void> {
  const schedules = new ScheduleClient({ connection, namespace });
  await schedules
    .getHandle(reconcileScheduleId(taskQueue))
    .delete()
    .catch((error: unknown) => log.debug({ err: error, taskQueue }, 'there was no schedule to delete'));
}
