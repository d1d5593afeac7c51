/** Something happened to a payment of the booking. `verify`: ask Stripe before believing it. */
export interface PaymentNews {
  bookingRef: string;
  intentId: string;
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
