import { randomUUID } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import type Stripe from 'stripe';
import type { BookingState } from '../db/booking-state.ts';
import { findMoneyMoved } from '../core/payments/find-money-moved.ts';
import type { Db } from '../db/knex.ts';
import { raiseFlag } from '../db/flags.ts';
import { decideMoney } from '../core/payments/decide-payment.ts';
import {
  adoptPaidIntent,
  findOpenPayments,
  findUndecidedPayments,
  findPayment,
  recordIntent,
  type PaymentRow,
} from '../db/payments.ts';
import { declinesMax } from '../domain/limits.ts';
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
     * Asks Stripe for the PaymentIntent and for what of its money went back, records that, and decides. One that Stripe
     * does not have is flagged and left at that: it must not keep the booking from being paid. One for which too many
     * cards were declined is cancelled.
     */
    verifyPayment: inTurn(async (news: PaymentNews & Decider): Promise<BookingState> => {
      const intent = await retrieveIntent(stripe, news.intentId);
      if (!intent) {
        const detail = 'An event names this payment, but Stripe does not have it.';
        await raiseFlag(db, { kind: 'payment_mismatch', subject: news.intentId, detail });
        return loadBooking(db, news.bookingRef);
      }
      const payment = (await findPayment(db, news)) ?? (await adopt(db, intent, news.bookingRef));
      if (payment) await recordIntent(db, payment, factOf(intent));
      if (payment && intent.status === 'succeeded') await findMoneyMoved(deps, intent.id);
      if (payment && payment.declines >= declinesMax) await closeForGood(deps, payment.bookingRef);
      return decidePayment(news);
    }),

    /** Cancels what could still be paid of a booking that is over, and decides on what was paid meanwhile. */
    closeIntents: inTurn(async (owner: Decider & { bookingRef: string }): Promise<BookingState> => {
      const verdict = await closeAllPayments(deps, owner.bookingRef);
      // Also what an attempt before this one has found paid: it may have stopped before it decided.
      for (const paymentRef of await findUndecidedPayments(db, owner.bookingRef)) {
        await decideMoney(db, { ...owner, paymentRef });
      }
      if (verdict === 'processing') throw await stillProcessing(db, owner.bookingRef);
      if (verdict === 'unknown') throw stillOpen(verdict);
      return loadBooking(db, owner.bookingRef);
    }),
  };
}

const stillOpen = (verdict: string, nextRetryDelay?: number) =>
  ApplicationFailure.create({
    message: `Stripe's answer is ${verdict}`,
    type: 'IntentStillOpen',
    ...(nextRetryDelay !== undefined && { nextRetryDelay }),
  });

const processingAskMs = { least: 1_000, most: 15 * 60_000 };

/** A payment may be processing for days: Stripe is asked more and more seldom. The webhook tells when it ends. */
async function stillProcessing(db: Db, bookingRef: string): Promise<ApplicationFailure> {
  const [newest] = (await findOpenPayments(db, bookingRef)).slice(-1);
  const ageMs = Date.now() - (newest?.createdAt.getTime() ?? Date.now());
  const waitMs = Math.min(processingAskMs.most, Math.max(processingAskMs.least, ageMs / 10));
  return stillOpen('processing', Math.round(waitMs));
}

/** Cancels the PaymentIntents of a hold for which too many cards were declined; a payment under way may end first. */
async function closeForGood(deps: ActivityDeps, bookingRef: string): Promise<void> {
  const verdict = await closeAllPayments(deps, bookingRef);
  if (verdict === 'unknown') throw stillOpen(verdict);
}

/** Takes in a paid intent that names our booking but that no row knows, so that its money is accounted for. */
async function adopt(
  db: Db,
  intent: Stripe.PaymentIntent,
  bookingRef: string,
): Promise<PaymentRow | undefined> {
  if (intent.status !== 'succeeded' || intent.metadata['booking_ref'] !== bookingRef) return undefined;
  const { chargeId, chargedAt } = factOf(intent);
  return adoptPaidIntent(db, {
    bookingRef,
    paymentRef: randomUUID(),
    intentId: intent.id,
    amountMinor: intent.amount,
    receivedMinor: intent.amount_received,
    currency: intent.currency,
    chargeId,
    chargedAt,
  });
}
