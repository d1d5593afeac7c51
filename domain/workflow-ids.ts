/**
 * Ids of workflows, made of refs, which nothing repeats: a booking's, a refund's, or a payment's (the id of its
 * PaymentIntent where it has no row). `db/reconcile.ts` and `db/schema/hold-slot.sql` spell them in SQL.
 */
export const bookingWorkflowId = (bookingRef: string) => `booking-${bookingRef}`;
export const latePaymentWorkflowId = (paymentRef: string) => `late-payment-${paymentRef}`;
export const isLatePaymentWorkflowId = (workflowId: string) =>
  workflowId.startsWith(latePaymentWorkflowId(''));
export const refundWorkflowId = (refundRef: string) => `refund-${refundRef}`;
/** The id for a run after one that has ended well: the message that causes the run makes its id another one. */
export const nextWorkflowId = (workflowId: string, messageId: string) => `${workflowId}-${messageId}`;
