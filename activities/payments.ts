import { randomUUID } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import type Stripe from 'stripe';
import type { BookingState } from '../db/booking-state.ts';
import { raiseFlag } from '../db/flags.ts';
import { decideMoney } from '../core/payments/decide-payment.ts';
import {
  adoptPaidIntent,
  findKeptPayments,
  findPayment,
  recordIntent,
  type PaymentRow,
} from '../db/payments.ts';
import type { PaymentNews } from '../workflows/messages.ts';
import type { ActivityDeps } from '../core/deps.ts';
import { closeAllPayments, factOf, retrieveIntent } from '../core/stripe/intents.ts';
import { loadBooking } from '../core/bookings/load-booking.ts';
import type { InTurn } from './limiter.ts';

/** Who decides: `workflowId` owns the booking if the money confirms it. */
interface Decider {
  actor: string;
  workflowId: string;
}

export function createPaymentActivities(deps: ActivityDeps, inTurn: InTurn) {
  const { db, stripe } = deps;

  /** Confirm or refund, on what is on record. The booking is the payment's own, whatever the news says. */
  async function decidePayment(news: PaymentNews & Decider): Promise<BookingState> {
    await decideMoney(db, news);
    return loadBooking(db, news.bookingRef);
  }

  return {
    decidePayment,

    /**
     * Asks Stripe for the PaymentIntent, records its answer, and decides on that. One that Stripe does not have is
     * flagged and left at that: it must not keep the booking from being paid.
     */
    verifyPayment: inTurn(async (news: PaymentNews & Decider): Promise<BookingState> => {
      const intent = await retrieveIntent(stripe, news.intentId);
      if (!intent) {
        const detail = 'An event names this payment, but Stripe does not have it.';
        await raiseFlag(db, { kind: 'payment_mismatch', subject: news.intentId, detail });
        return loadBooking(db, news.bookingRef);
      }
      const payment = (await findPayment(db, news)) ?? (await adopt(deps, intent, news.bookingRef));
      if (payment) await recordIntent(db, payment, factOf(intent));
      return decidePayment(news);
    }),

    /** Cancels what could still be paid of a booking that is over, and decides on what was paid meanwhile. */
    closeIntents: inTurn(async (owner: Decider & { bookingRef: string }): Promise<BookingState> => {
      const verdict = await closeAllPayments(deps, owner.bookingRef);
      // Also what an attempt before this one has found paid: it may have stopped before it decided.
      for (const paymentRef of await findKeptPayments(db, owner.bookingRef)) {
        await decideMoney(db, { ...owner, paymentRef });
      }
      if (verdict === 'unknown' || verdict === 'processing') {
        throw ApplicationFailure.retryable(`Stripe's answer is ${verdict}`, 'IntentStillOpen');
      }
      return loadBooking(db, owner.bookingRef);
    }),
  };
}

/**
 * A paid intent that names our booking but that no row knows: taken in, so that its money is accounted for. What of it
 * went back meanwhile is flagged first: its events named a payment that nobody knew.
 */
async function adopt(
  { db }: ActivityDeps,
  intent: Stripe.PaymentIntent,
  bookingRef: string,
): Promise<PaymentRow | undefined> {
  if (intent.status !== 'succeeded' || intent.metadata['booking_ref'] !== bookingRef) return undefined;
  const charge = intent.latest_charge;
  if (charge && typeof charge !== 'string' && charge.amount_refunded > 0) {
    const detail = 'Given back at Stripe before the service knew of this payment.';
    await raiseFlag(db, { kind: 'refunded_at_stripe', subject: intent.id, detail });
  }
  return adoptPaidIntent(db, {
    bookingRef,
    paymentRef: randomUUID(),
    intentId: intent.id,
    amountMinor: intent.amount,
    receivedMinor: intent.amount_received,
    currency: intent.currency,
  });
}
