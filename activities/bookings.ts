import { setTimeout as sleep } from 'node:timers/promises';
import { completeStay, lockBooking, moveBooking } from '../db/bookings.ts';
import type { BookingState } from '../db/booking-state.ts';
import { refundAllPaid } from '../db/refunds.ts';
import { judgeCancel } from '../domain/booking.ts';
import { settleBoundMs } from '../domain/limits.ts';
import type { CancelRequest, CancelResult } from '../workflows/messages.ts';
import type { ActivityDeps } from '../core/deps.ts';
import { bookingNotFound, loadBooking } from '../core/bookings/load-booking.ts';
import { expireUnaskedHold, settleHold } from '../core/bookings/settle-hold.ts';
import type { InTurn } from './limiter.ts';

interface OfBooking {
  bookingRef: string;
}

/** A wait shorter than this is waited in the activity: the server's own timers are coarser than a second. */
const shortWaitMs = 2_000;
/** A workflow asks when Temporal's timer has woken it. */
const secondClock = 'temporal';
/** How often, and how long, to look again while somebody else settles the hold. */
const leasedPollMs = 300;
const leasedWaitMs = 3_000;

export function createBookingActivities(deps: ActivityDeps, inTurn: InTurn) {
  const { db } = deps;

  return {
    loadBooking: ({ bookingRef }: OfBooking) => loadBooking(db, bookingRef),

    /** Expires the hold if it is due and nobody began to pay for it: all that Postgres alone can settle. */
    async expireUnaskedHold(hold: OfBooking & { actor: string }): Promise<BookingState> {
      await expireUnaskedHold(db, { ...hold, secondClock });
      return loadBooking(db, hold.bookingRef);
    },

    /** Settles the hold if it is due, waiting for a deadline that is a moment away and for another who settles it. */
    settleHold: inTurn(
      async ({ bookingRef, actor }: OfBooking & { actor: string }): Promise<BookingState> => {
        const giveUpAt = Date.now() + leasedWaitMs;
        let booking = await loadBooking(db, bookingRef);
        while (booking.status === 'pending' && booking.settleInMs <= shortWaitMs && Date.now() < giveUpAt) {
          await sleep(booking.settleInMs);
          booking =
            (await settleHold(deps, { bookingRef, actor, secondClock, waitMs: settleBoundMs })) ?? booking;
          if (booking.status === 'pending' && booking.settleInMs === 0) await sleep(leasedPollMs);
        }
        return booking;
      },
    ),

    /**
     * Cancels a booking, and decides its refund, in one transaction. Cancelling what is cancelled answers the same;
     * PaymentIntents are closed afterwards by the workflow.
     */
    async cancelBooking(
      request: OfBooking & CancelRequest,
    ): Promise<{ result: CancelResult; state: BookingState }> {
      const result = await db.transaction(async (trx): Promise<CancelResult> => {
        const booking = await lockBooking(trx, request.bookingRef);
        if (!booking) throw bookingNotFound(request.bookingRef);
        if (booking.status === 'cancelled') return { cancelled: true, refund: false };
        const verdict = judgeCancel({
          status: booking.status,
          startsAt: booking.startsAt,
          latestStart: booking.latestStart,
          now: booking.now,
          freeCancelHours: deps.freeCancelHours,
          byStaff: request.byStaff,
          refundAsked: request.refund,
          seenAsHold: request.seen === 'pending',
        });
        if (!verdict.allowed) return { cancelled: false, reason: verdict.reason, status: booking.status };
        const cause = verdict.refund ? 'cancelled' : 'cancelled_without_refund';
        await moveBooking(trx, { bookingId: booking.id, to: 'cancelled', actor: request.actor, cause });
        if (verdict.refund) await refundAllPaid(trx, booking.id);
        return { cancelled: true, refund: verdict.refund };
      });
      return { result, state: await loadBooking(db, request.bookingRef) };
    },

    /** Completes a confirmed booking whose end has passed; waits for an end that is a moment away. */
    async completeStay({ bookingRef, actor }: OfBooking & { actor: string }): Promise<BookingState> {
      const before = await loadBooking(db, bookingRef);
      if (before.status !== 'confirmed' || before.endsInMs > shortWaitMs) return before;
      await sleep(before.endsInMs);
      await completeStay(db, { bookingRef, actor });
      return loadBooking(db, bookingRef);
    },
  };
}
