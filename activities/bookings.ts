import { cancelBooking } from '../core/bookings/cancel-booking.ts';
import { completeStay } from '../core/bookings/complete-stay.ts';
import { loadBooking } from '../core/bookings/load-booking.ts';
import { settleHold } from '../core/bookings/settle-hold.ts';
import type { CoreDeps } from '../core/deps.ts';
import { settleBoundMs } from '../domain/limits.ts';
import type { CancelRequest } from '../domain/messages.ts';
import type { LimitStripe } from './limiter.ts';

interface OfBooking {
  bookingRef: string;
}

interface ByWorkflow extends OfBooking {
  /** For the audit: the type of the workflow. */
  actor: string;
}

/** A workflow asks when Temporal's timer has woken it. */
const secondClock = 'temporal';
/** How long a workflow waits for somebody else who is settling its hold, before it looks into its inbox again. */
const waitForOthersMs = 3_000;

export function createBookingActivities(deps: CoreDeps, limitStripe: LimitStripe) {
  const { db } = deps;
  const settleWithStripe = limitStripe((hold: ByWorkflow) =>
    settleHold(deps, { ...hold, secondClock, waitMs: settleBoundMs, waitForOthersMs }),
  );
  return {
    loadBooking: ({ bookingRef }: OfBooking) => loadBooking(db, bookingRef),

    /** Settles the hold if it is due. Without `askStripe` a hold that Stripe has a say in stays as it is. */
    settleHold: ({ askStripe, ...hold }: ByWorkflow & { askStripe: boolean }) =>
      askStripe ? settleWithStripe(hold) : settleHold(deps, { ...hold, secondClock, waitMs: 0 }),

    cancelBooking: async (request: OfBooking & CancelRequest) => ({
      result: await cancelBooking(deps, request),
      state: await loadBooking(db, request.bookingRef),
    }),

    completeStay: (stay: ByWorkflow) => completeStay(db, stay),
  };
}
