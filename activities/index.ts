import { createBookingActivities } from './bookings.ts';
import type { ActivityDeps } from './deps.ts';
import { createPaymentActivities } from './payments.ts';
import { createReconcileActivities } from './reconcile.ts';
import { stripeStepsMax } from '../domain/limits.ts';
import { createRefundActivities } from './refunds.ts';
import { createTurns } from './turns.ts';

export type { BookingState } from '../db/booking-state.ts';
export type { ActivityDeps } from './deps.ts';
export type { ReconcileReport } from './reconcile.ts';

/** Every side effect of a workflow. Each may run twice, at once or hours later, with one effect. */
export function createActivities(deps: ActivityDeps) {
  const bookings = createBookingActivities(deps);
  const payments = createPaymentActivities(deps);
  const refunds = createRefundActivities(deps);
  const inTurn = createTurns(stripeStepsMax);
  return {
    ...bookings,
    ...payments,
    ...refunds,
    ...createReconcileActivities(deps),
    settleHold: inTurn(bookings.settleHold),
    verifyPayment: inTurn(payments.verifyPayment),
    closeIntents: inTurn(payments.closeIntents),
    sendRefund: inTurn(refunds.sendRefund),
  };
}

export type Activities = ReturnType<typeof createActivities>;
