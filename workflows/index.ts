/** What the worker offers to Temporal: every export is a workflow type. */
export { bookingWorkflow } from './booking.ts';
export { latePaymentWorkflow } from './late-payment.ts';
export { reconcileWorkflow } from './reconcile.ts';
export { refundWorkflow } from './refund.ts';
