/**
 * Workflow ids are made of refs, which are never given out twice: that of a booking, of a refund, or of a payment (of its
 * PaymentIntent where no row knows the payment). `db/reconcile.ts` and `db/schema/hold-slot.sql` spell them in SQL.
 */
export const bookingWorkflowId = (bookingRef: string) => `booking-${bookingRef}`;
export const latePaymentWorkflowId = (paymentRef: string) => `late-payment-${paymentRef}`;
export const isLatePaymentWorkflowId = (workflowId: string) =>
  workflowId.startsWith(latePaymentWorkflowId(''));
export const refundWorkflowId = (refundRef: string) => `refund-${refundRef}`;
/** The workflow that follows one which has ended well: the id of the message that starts it makes its id another. */
export const nextWorkflowId = (workflowId: string, messageId: string) => `${workflowId}-${messageId}`;
/** One reconciler for all workers of a task queue. */
export const reconcileScheduleId = (taskQueue: string) => `reconcile-${taskQueue}`;
export const reconcileWorkflowId = (taskQueue: string) => `reconcile-${taskQueue}`;
