import {
  ActivityFailure,
  ApplicationFailure,
  isCancellation,
  proxyActivities,
  proxyLocalActivities,
} from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';

/**
 * Steps that ask Stripe, tried again for as long as it takes: a workflow lives for months. A step that is interrupted is
 * not waited for; what it still does is harmless.
 */
export const stripeSteps = proxyActivities<Activities>({
  startToCloseTimeout: '15s',
  cancellationType: 'TRY_CANCEL',
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '30s' },
});

/** A refund is tried for two weeks; after that staff must act. */
export const refundSteps = proxyActivities<Activities>({
  startToCloseTimeout: '15s',
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

/**
 * A step that only touches Postgres: a local activity, which costs the Temporal server a third less. When Postgres
 * is away for longer than three attempts the same step goes on as an ordinary activity, because a local one would
 * keep its workflow task open.
 */
function databaseStep<Name extends keyof Activities>(name: Name): Activities[Name] {
  const step = async (input: never) => {
    try {
      return await (local[name] as (input: never) => Promise<unknown>)(input);
    } catch (error) {
      if (isFinal(error) || isCancellation(error)) throw error;
      return (durable[name] as (input: never) => Promise<unknown>)(input);
    }
  };
  return step as Activities[Name];
}

/** Can no retry help? An ordinary activity's failure comes inside an ActivityFailure, a local activity's by itself. */
export function isFinal(error: unknown): boolean {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  return cause instanceof ApplicationFailure && cause.nonRetryable === true;
}

export const databaseSteps = {
  loadBooking: databaseStep('loadBooking'),
  decidePayment: databaseStep('decidePayment'),
  settleHold: databaseStep('settleHold'),
  /**
   * Never a local activity: the update that asks for it is in the history only once its first workflow task is
   * complete. Done within that task, the cancellation would outlive an update that a dying server forgets, and the
   * workflow would keep waiting for a cancelled stay.
   */
  cancelBooking: durable.cancelBooking,
  completeStay: databaseStep('completeStay'),
  giveUpRefund: databaseStep('giveUpRefund'),
};
