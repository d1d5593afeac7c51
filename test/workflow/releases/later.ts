import { patched, workflowInfo, type WorkflowInterceptorsFactory } from '@temporalio/workflow';
import type { Activities } from '../../../activities/index.ts';
import type { BookingInput } from '../../../workflows/messages.ts';
import { databaseSteps } from '../../../workflows/steps.ts';

const reading = 'loadBooking' satisfies keyof Activities;

/**
 * A later release: a booking's workflow reads its row once more at the start and before each step that follows, both
 * behind patches.
 */
export const interceptors: WorkflowInterceptorsFactory = () => {
  if (workflowInfo().workflowType !== 'bookingWorkflow') return {};
  let booking: BookingInput;
  const lookFirst = async (activityType: string) => {
    if (activityType !== reading && patched('look-first')) await databaseSteps.loadBooking(booking);
  };
  return {
    inbound: [
      {
        async execute(input, next) {
          [booking] = input.args as [BookingInput];
          if (patched('read-twice')) await databaseSteps.loadBooking(booking);
          return next(input);
        },
      },
    ],
    outbound: [
      {
        async scheduleActivity(input, next) {
          await lookFirst(input.activityType);
          return next(input);
        },
        async scheduleLocalActivity(input, next) {
          await lookFirst(input.activityType);
          return next(input);
        },
      },
    ],
  };
};
