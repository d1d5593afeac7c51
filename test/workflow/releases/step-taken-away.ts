import type { WorkflowInterceptorsFactory } from '@temporalio/workflow';
import type { Activities, BookingState } from '../../../activities/index.ts';

const takenAway = 'closePayments' satisfies keyof Activities;

/**
 * A release that open bookings would not survive: their PaymentIntents are not closed any more. The workflow goes on
 * with the booking as the step before has left it.
 */
export const interceptors: WorkflowInterceptorsFactory = () => {
  let before: BookingState | undefined;
  /** A cancellation gives the booking beside its result. */
  const note = (result: unknown) => {
    const { state } = result as { state?: BookingState };
    before = state ?? (result as BookingState);
    return result;
  };
  return {
    outbound: [
      {
        async scheduleActivity(input, next) {
          return input.activityType === takenAway ? before : note(await next(input));
        },
        async scheduleLocalActivity(input, next) {
          return note(await next(input));
        },
      },
    ],
  };
};
