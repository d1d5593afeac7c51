import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { BookingStatus } from '../domain/booking.ts';
import type { BookingChange, PaymentNews, RefundInput } from '../domain/messages.ts';

/**
 * Everything that is said to a workflow, and how it is called: the API's only door. These names and shapes are in
 * the histories of open workflows, so they may grow but never change.
 */

/** A Keyword that the operator filters by in Temporal's UI, e.g. `BookingStatus = "pending"`. */
export const bookingStatusAttribute = 'BookingStatus';

/**
 * Workflow ids are made of refs, which nothing repeats: a booking's, a refund's, or a payment's (its intent's where it has
 * none).
 * `db/reconcile.ts` and `db/schema/hold-slot.sql` spell them in SQL.
 */
export const bookingWorkflowId = (bookingRef: string) => `booking-${bookingRef}`;
export const latePaymentWorkflowId = (paymentRef: string) => `late-payment-${paymentRef}`;
export const isLatePaymentWorkflowId = (workflowId: string) =>
  workflowId.startsWith(latePaymentWorkflowId(''));
export const refundWorkflowId = (refundRef: string) => `refund-${refundRef}`;
/** What follows a run that has ended well: the id of the message that brings it makes it another. */
export const nextWorkflowId = (workflowId: string, messageId: string) => `${workflowId}-${messageId}`;
/** One reconciler for all workers of a task queue. */
export const reconcileScheduleId = (taskQueue: string) => `reconcile-${taskQueue}`;
export const reconcileWorkflowId = (taskQueue: string) => `reconcile-${taskQueue}`;

export interface BookingInput {
  bookingRef: string;
  /** News that the run before has received and not read, when its history had grown long. */
  news?: PaymentNews[];
}

/** The news that started the run; and what the run before has not read. */
export interface LatePaymentInput extends PaymentNews {
  news?: PaymentNews[];
}

export type { BookingChange, PaymentNews, RefundInput };

export interface CancelRequest {
  /** Who asks, as the audit names them: `user:7`, `staff:1`. */
  actor: string;
  byStaff: boolean;
  /** Staff asks for the money to go back whatever the hour. */
  refund: boolean;
  /** What the booking was when this was asked. */
  seen?: BookingStatus;
}

export type CancelResult =
  | { cancelled: true; refund: boolean }
  | { cancelled: false; reason: 'not_cancellable' | 'already_started'; status: BookingStatus };

export interface HoldView {
  bookingRef: string;
  status: BookingStatus | 'starting';
  /** ISO 8601 in UTC. */
  holdExpiresAt?: string;
  secondsLeft: number;
}

export const paymentNewsSignal = defineSignal<[PaymentNews]>('paymentNews');
/** The booking's row has got other instants: read it again. */
export const bookingChangedSignal = defineSignal('bookingChanged');
export const cancelUpdate = defineUpdate<CancelResult, [CancelRequest]>('cancel');
export const holdQuery = defineQuery<HoldView>('hold');

/**
 * One answer for each thing that can be asked of a booking as it stands, so that repeating a request is safe. Asked of
 * what it has become since, it is another question: a hold that was refused as expired can be confirmed by late money.
 */
export function cancelUpdateId(request: CancelRequest, seen: BookingStatus): string {
  const who = !request.byStaff ? 'cancel' : request.refund ? 'cancel-by-staff-refund' : 'cancel-by-staff';
  return `${who}-${seen}`;
}
