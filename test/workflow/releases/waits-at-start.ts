import { sleep, workflowInfo, type WorkflowInterceptorsFactory } from '@temporalio/workflow';

/** A build that cannot go on with open bookings: where the right one reads the row, it waits. */
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
