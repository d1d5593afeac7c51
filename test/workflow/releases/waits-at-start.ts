import { sleep, workflowInfo, type WorkflowInterceptorsFactory } from '@temporalio/workflow';

/** A build that cannot continue open bookings: it waits where the current one reads the row. */
export const interceptors: WorkflowInterceptorsFactory = () => ({
  inbound: [
    {
      async execute(input, next) {
        if (workflowInfo().workflowType === 'bookingWorkflow') await sleep('1 hour');
        return next(input);
      },
    },
  ],
});
