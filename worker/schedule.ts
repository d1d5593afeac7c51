import { ScheduleAlreadyRunning, ScheduleClient, ScheduleOverlapPolicy } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import type { Logger } from 'pino';
import { reconcileScheduleId, reconcileWorkflowId } from '../domain/workflow-ids.ts';

export interface ScheduleSettings {
  connection: NativeConnection;
  namespace: string;
  taskQueue: string;
  log: Logger;
  everyMs: number;
}

/**
 * Makes sure that the reconciler's Schedule is there, as this version wants it. Any number of workers may do so at
 * once. A worker that may not make it goes on without: the API's sweeper still frees the slots.
 */
export async function ensureReconcileSchedule(settings: ScheduleSettings): Promise<void> {
  const { connection, namespace, taskQueue, log, everyMs } = settings;
  const schedules = new ScheduleClient({ connection, namespace });
  const scheduleId = reconcileScheduleId(taskQueue);
  const options = {
    spec: { intervals: [{ every: everyMs }] },
    action: {
      type: 'startWorkflow' as const,
      workflowType: 'reconcileWorkflow',
      workflowId: reconcileWorkflowId(taskQueue),
      taskQueue,
      workflowExecutionTimeout: 10 * 60_000,
    },
    policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: 60_000 },
  };
  try {
    await schedules.create({ scheduleId, ...options });
  } catch (error) {
    if (error instanceof ScheduleAlreadyRunning) {
      await schedules.getHandle(scheduleId).update((known) => ({ ...known, ...options, state: known.state }));
    } else {
      log.warn({ err: error }, 'the reconciler could not be scheduled');
    }
  }
}
