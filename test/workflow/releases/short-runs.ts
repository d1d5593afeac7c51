import { workflowInfo, type WorkflowInterceptorsFactory } from '@temporalio/workflow';

const eventsMax = 25;

/** Temporal suggests another run after thousands of events; here the suggestion comes after a few. */
export const interceptors: WorkflowInterceptorsFactory = () => ({
  internals: [
    {
      activate(input, next) {
        const info = workflowInfo();
        Object.assign(info, { continueAsNewSuggested: info.historyLength > eventsMax });
        return next(input);
      },
    },
  ],
});
