/** Something happened to a payment of the booking. `verify`: ask Stripe before believing it. */
export interface PaymentNews {
  bookingRef: string;
  intentId: string;
  paymentRef?: string;
  verify: boolean;
}

export interface RefundInput {
  bookingRef: string;
  refundRef: string;
}
