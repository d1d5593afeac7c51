import { ScheduleAlreadyRunning, ScheduleClient, ScheduleOverlapPolicy } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import { reconcileScheduleId, reconcileWorkflowId } from '../domain/workflow-ids.ts';
import type { SetUpStep } from './set-up.ts';

export interface ScheduleSettings {
  connection: NativeConnection;
  namespace: string;
  taskQueue: string;
  everyMs: number;
}

/** Longer than Temporal's own clients wait for a schedule that is being made. */
const callMs = 10_000;

/**
 * Makes sure that the reconciler's Schedule is there, as this version wants it. Without it missed webhooks are not
 * found; the API's sweeper still frees the slots.
 */
export function scheduleStep({ connection, namespace, taskQueue, everyMs }: ScheduleSettings): SetUpStep {
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
  return {
    name: 'schedule',
    complaint: 'the reconciler could not be scheduled',
    make: () =>
      connection.withDeadline(Date.now() + callMs, async () => {
        try {
          await schedules.create({ scheduleId, ...options });
        } catch (error) {
          if (!(error instanceof ScheduleAlreadyRunning)) throw error;
          await schedules
            .getHandle(scheduleId)
            .update((known) => ({ ...known, ...options, state: known.state }));
        }
        return 'made' as const;
      }),
  };
}
