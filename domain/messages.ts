import type { BookingStatus } from './booking.ts';

/**
 * What is said to a workflow. The outbox and the histories of open workflows hold these shapes, so they may grow but
 * never change.
 */

/** Something happened to a payment of the booking. `verify`: ask Stripe before believing it. */
export interface PaymentEvent {
  bookingRef: string;
  intentId: string;
  /** Absent where no row knows the payment yet. */
  paymentRef?: string;
  verify: boolean;
}

/** A booking that has got other instants, and the workflow that owned it then. */
export interface BookingChange {
  bookingRef: string;
  workflowId: string;
}

export interface RefundInput {
  bookingRef: string;
  refundRef: string;
}

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
