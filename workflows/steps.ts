import {
  ActivityFailure,
  ApplicationFailure,
  isCancellation,
  proxyActivities,
  proxyLocalActivities,
} from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';

/** Steps that call Stripe: minutes of trouble there are nothing to a workflow that lives for months. */
export const stripeSteps = proxyActivities<Activities>({
  startToCloseTimeout: '20s',
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '30s' },
});

/** A refund is tried for two weeks, then it is a person's. */
export const refundSteps = proxyActivities<Activities>({
  startToCloseTimeout: '20s',
  scheduleToCloseTimeout: '14 days',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '10 minutes' },
});

const local = proxyLocalActivities<Activities>({
  startToCloseTimeout: '3s',
  retry: { maximumAttempts: 3, initialInterval: '100ms' },
});

const durable = proxyActivities<Activities>({
  startToCloseTimeout: '5s',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '10s' },
});

type DatabaseStep = 'loadBooking' | 'decidePayment' | 'cancelBooking' | 'completeStay' | 'flagRefundStuck';

/**
 * A step that only touches Postgres: a local activity, which costs the Temporal server a third less. When Postgres
 * is away for longer than three attempts the same step goes on as an ordinary activity, because a local one would
 * keep its workflow task open.
 */
function databaseStep<Name extends DatabaseStep>(name: Name): Activities[Name] {
  const step = async (input: never) => {
    try {
      return await (local[name] as (input: never) => Promise<unknown>)(input);
    } catch (error) {
      const refused = error instanceof ActivityFailure && isFinal(error.cause);
      if (refused || isCancellation(error)) throw error;
      return (durable[name] as (input: never) => Promise<unknown>)(input);
    }
  };
  return step as Activities[Name];
}

function isFinal(cause: unknown): boolean {
  return cause instanceof ApplicationFailure && cause.nonRetryable === true;
}

export const databaseSteps = {
  loadBooking: databaseStep('loadBooking'),
  decidePayment: databaseStep('decidePayment'),
  cancelBooking: databaseStep('cancelBooking'),
  completeStay: databaseStep('completeStay'),
  flagRefundStuck: databaseStep('flagRefundStuck'),
};
