import { lockBooking, moveBooking } from '../../db/bookings.ts';
import { refundAllPaid } from '../../db/refunds.ts';
import { judgeCancel } from '../../domain/booking.ts';
import type { CancelRequest, CancelResult } from '../../domain/messages.ts';
import type { CoreDeps } from '../deps.ts';
import { bookingNotFound } from './load-booking.ts';

/**
 * Cancels a booking and decides its refund, in one transaction. Cancelling a cancelled booking gets the same answer. Its
 * payments are closed afterwards, by its workflow.
 * @throws FinalFailure BookingNotFound
 */
export async function cancelBooking(
  { db, freeCancelHours }: Pick<CoreDeps, 'db' | 'freeCancelHours'>,
  request: CancelRequest & { bookingRef: string },
): Promise<CancelResult> {
  return db.transaction(async (trx): Promise<CancelResult> => {
    const booking = await lockBooking(trx, request.bookingRef);
    if (!booking) throw bookingNotFound(request.bookingRef);
    const { status, startsAt, latestStart, now } = booking;
    if (status === 'cancelled') return { cancelled: true, refund: false };
    const verdict = judgeCancel({
      status,
      startsAt,
      latestStart,
      now,
      freeCancelHours,
      byStaff: request.byStaff,
      refundAsked: request.refund,
      seenAsHold: request.seen === 'pending',
    });
    if (!verdict.allowed) return { cancelled: false, reason: verdict.reason, status };
    const cause = verdict.refund ? 'cancelled' : 'cancelled_without_refund';
    await moveBooking(trx, { bookingId: booking.id, to: 'cancelled', actor: request.actor, cause });
    if (verdict.refund) await refundAllPaid(trx, booking.id);
    return { cancelled: true, refund: verdict.refund };
  });
}
