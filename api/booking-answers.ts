import { type BookingDetailRow, findBooking } from '../db/bookings.ts';
import { type BookingFilter, countBookings, listBookings } from '../db/booking-lists.ts';
import { refundCancelled } from '../db/refunds.ts';
import { isStaff } from '../db/users.ts';
import { integerMax } from '../domain/limits.ts';
import { Problem } from '../domain/problems.ts';
import { type CancelRequest, isLatePaymentWorkflowId } from '../workflows/messages.ts';
import type { Deps } from './deps.ts';
import type { Caller } from './http/route.ts';
import { viewBookingItem } from './views.ts';

/** The booking, if the caller may see it; otherwise it does not exist, whoever owns it. */
export async function loadBookingFor(
  { db }: Deps,
  caller: Caller,
  bookingId: number,
): Promise<BookingDetailRow> {
  const booking = await findBooking(db, bookingId);
  if (booking && (booking.user_id === caller.userId || (await isStaff(db, caller)))) return booking;
  throw new Problem('booking_not_found');
}

/** One page of a list, its count, and where the next page begins. */
export async function answerPage(
  { db }: Deps,
  query: BookingFilter & { limit: number; cursor?: string | undefined },
) {
  const { limit, cursor, ...filter } = query;
  const beforeId = cursor === undefined ? undefined : idOfCursor(cursor);
  const [found, { count, exact }] = await Promise.all([
    listBookings(db, filter, { limit: limit + 1, beforeId }),
    countBookings(db, filter),
  ]);
  const page = found.slice(0, limit);
  const last = page.at(-1);
  return {
    count,
    count_exact: exact,
    bookings: page.map(viewBookingItem),
    next: found.length > limit && last ? cursorOf(last.id) : null,
  };
}

const cursorOf = (id: number) => Buffer.from(`before:${id}`).toString('base64url');

function idOfCursor(cursor: string): number {
  const id = /^before:([1-9]\d{0,9})$/.exec(Buffer.from(cursor, 'base64url').toString())?.[1];
  if (!id || Number(id) > integerMax || cursorOf(Number(id)) !== cursor) throw new Problem('invalid_cursor');
  return Number(id);
}

/** Who cancels, and what they ask. */
interface Cancellation {
  callerId: number;
  byStaff: boolean;
  /** Staff asks for the money to go back whatever the hour. */
  refund: boolean;
}

/**
 * Cancels a booking, as often as it is asked. What was kept of one that its guest has cancelled goes back when staff
 * asks for that.
 * @throws Problem not_cancellable, workflow_unavailable
 */
export async function cancelBooking(
  deps: Deps,
  booking: BookingDetailRow,
  { callerId, byStaff, refund }: Cancellation,
): Promise<void> {
  if (booking.status !== 'cancelled') {
    const actor = `${byStaff ? 'staff' : 'user'}:${callerId}`;
    await cancelThroughWorkflow(deps, booking, { actor, byStaff, refund });
  }
  if (byStaff && refund) await refundCancelled(deps.db, { bookingRef: booking.ref, actorId: callerId });
}

/**
 * Cancels through the workflow that owns the booking, and never around it.
 * @throws Problem not_cancellable; workflow_unavailable when Temporal or the worker does not answer: the outcome is
 *   then unknown, and asking again is safe
 */
async function cancelThroughWorkflow(
  deps: Deps,
  booking: BookingDetailRow,
  request: CancelRequest,
): Promise<void> {
  if (booking.status !== 'pending' && booking.status !== 'confirmed') throw notCancellable(booking.status);
  const { ref, status, workflow_id: workflowId } = booking;
  const { payment_ref: paymentRef, payment_intent_id: intentId } = booking;
  const late = isLatePaymentWorkflowId(workflowId) && paymentRef && intentId;
  try {
    const result = await deps.workflows.cancelBooking(
      {
        ref,
        status,
        workflowId,
        ...(late && { paymentNews: { bookingRef: ref, paymentRef, intentId, verify: false } }),
      },
      request,
    );
    if (!result.cancelled) {
      throw result.reason === 'already_started' ? alreadyStarted() : notCancellable(result.status);
    }
  } catch (error) {
    if (error instanceof Problem) throw error;
    deps.log.warn({ err: error, bookingRef: ref }, 'a cancellation got no answer');
    throw new Problem('workflow_unavailable', {
      detail: 'The cancellation may or may not have been taken; asking again is safe.',
      headers: { 'Retry-After': '2' },
    });
  }
}

const notCancellable = (status: string) =>
  new Problem('not_cancellable', { detail: `The booking is ${status}.` });

const alreadyStarted = () =>
  new Problem('not_cancellable', { detail: 'The booking has begun; only staff can cancel it now.' });
