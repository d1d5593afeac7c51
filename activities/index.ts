import type { CoreDeps } from '../core/deps.ts';
import { stripeStepsMax } from '../domain/limits.ts';
import { createBookingActivities } from './bookings.ts';
import { mapFailures } from './failures.ts';
import { createLimiter } from './limiter.ts';
import { createPaymentActivities } from './payments.ts';
import { createReconcileActivities } from './reconcile.ts';

export type { BookingState } from '../db/booking-state.ts';
export type { ReconcileReport } from './reconcile.ts';

/**
 * Temporal's door to the verbs of core/: every side effect of a workflow. Each may run twice, at once or hours later, with
 * one effect.
 */
export function createActivities(deps: CoreDeps) {
  const limitStripe = createLimiter(stripeStepsMax);
  return mapFailures({
    ...createBookingActivities(deps, limitStripe),
    ...createPaymentActivities(deps, limitStripe),
    ...createReconcileActivities(deps),
  });
}

export type Activities = ReturnType<typeof createActivities>;
