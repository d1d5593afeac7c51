import { loadBooking } from '../core/bookings/load-booking.ts';
import type { CoreDeps } from '../core/deps.ts';
import { closeAndDecidePayments } from '../core/payments/close-payments.ts';
import { type Decider, decidePayment } from '../core/payments/decide-payment.ts';
import { giveUpRefund } from '../core/payments/give-up-refund.ts';
import { sendRefund } from '../core/payments/send-refund.ts';
import { verifyPayment } from '../core/payments/verify-payment.ts';
import type { PaymentEvent } from '../domain/messages.ts';
import type { LimitStripe } from './limiter.ts';

interface OfRefund {
  refundRef: string;
}

export function createPaymentActivities(deps: CoreDeps, limitStripe: LimitStripe) {
  const { db } = deps;
  return {
    /** Decides on what is on record. The booking is the payment's own, whatever the event says. */
    async decidePayment(event: PaymentEvent & Decider) {
      await decidePayment(db, event);
      return loadBooking(db, event.bookingRef);
    },

    /** Asks Stripe first. */
    verifyPayment: limitStripe(async (event: PaymentEvent & Decider) => {
      await verifyPayment(deps, event);
      return loadBooking(db, event.bookingRef);
    }),

    closePayments: limitStripe(async (owner: Decider & { bookingRef: string }) => {
      await closeAndDecidePayments(deps, owner);
      return loadBooking(db, owner.bookingRef);
    }),

    sendRefund: limitStripe(({ refundRef }: OfRefund) => sendRefund(deps, refundRef)),

    giveUpRefund: ({ refundRef }: OfRefund) => giveUpRefund(db, refundRef),
  };
}
