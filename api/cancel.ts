import type { BookingDetailRow } from '../db/bookings.ts';
import { refundCancelled } from '../core/payments/refund-cancelled.ts';
import { Problem } from '../domain/problems.ts';
import type { CancelRequest } from '../domain/messages.ts';
import { isLatePaymentWorkflowId } from '../domain/workflow-ids.ts';
import type { Deps } from './deps.ts';

/** The request to cancel. */
interface Cancellation {
  callerId: number;
  byStaff: boolean;
  /** Staff asks for a refund, however late it is. */
  refund: boolean;
}

/**
 * Cancels a booking; repeating is safe. If staff asks for a refund of a cancelled booking, what is left of its payment
 * is refunded.
 * @throws Problem not_cancellable, not_refundable, workflow_unavailable
 */
export async function cancelBooking(
  deps: Deps,
  booking: BookingDetailRow,
  { callerId, byStaff, refund }: Cancellation,
): Promise<void> {
  const isRepeated = booking.status === 'cancelled';
  if (!isRepeated) {
    const actor = `${byStaff ? 'staff' : 'user'}:${callerId}`;
    await cancelThroughWorkflow(deps, booking, { actor, byStaff, refund });
  }
  if (!byStaff || !refund) return;
  const { isWaiting } = await refundCancelled(deps.db, { bookingRef: booking.ref, actorId: callerId });
  // The answer to the first cancellation shows that the refund waits.
  if (isWaiting && isRepeated) {
    throw new Problem('not_refundable', {
      detail:
        'The booking is cancelled. The customer disputes the payment: its refund waits for the dispute to close.',
    });
  }
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
        ...(late && { latePayment: { bookingRef: ref, paymentRef, intentId, verify: false } }),
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
      retryAfterSeconds: 2,
    });
  }
}

const notCancellable = (status: string) =>
  new Problem('not_cancellable', { detail: `The booking is ${status}.` });

const alreadyStarted = () =>
  new Problem('not_cancellable', { detail: 'The booking has begun; only staff can cancel it now.' });
