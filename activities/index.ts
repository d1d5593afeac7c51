import { stripeStepsMax } from '../domain/limits.ts';
import { createBookingActivities } from './bookings.ts';
import type { ActivityDeps } from '../core/deps.ts';
import { createPaymentActivities } from './payments.ts';
import { createReconcileActivities } from './reconcile.ts';
import { createRefundActivities } from '../core/payments/send-refund.ts';
import { createTurns } from './limiter.ts';

export type { BookingState } from '../db/booking-state.ts';
export type { ActivityDeps } from '../core/deps.ts';
export type { ReconcileReport } from './reconcile.ts';

/** Every side effect of a workflow. Each may run twice, at once or hours later, with one effect. */
export function createActivities(deps: ActivityDeps) {
  const inTurn = createTurns(stripeStepsMax);
  return {
    ...createBookingActivities(deps, inTurn),
    ...createPaymentActivities(deps, inTurn),
    ...createRefundActivities(deps, inTurn),
    ...createReconcileActivities(deps),
  };
}

export type Activities = ReturnType<typeof createActivities>;
