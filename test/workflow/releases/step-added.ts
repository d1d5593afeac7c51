import { workflowInfo, type WorkflowInterceptorsFactory } from '@temporalio/workflow';
import { databaseSteps } from '../../../workflows/steps.ts';

const changed = ['bookingWorkflow', 'refundWorkflow'];

/** A release that breaks open workflows: bookings and refunds begin with an additional step, without a patch. */
export const interceptors: WorkflowInterceptorsFactory = () => ({
  inbound: [
    {
      async execute(input, next) {
        if (changed.includes(workflowInfo().workflowType))
          await databaseSteps.loadBooking({ bookingRef: 'x' });
        return next(input);
      },
    },
  ],
});
