import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import Stripe from 'stripe';
import type { BookingDetailRow } from '../../db/bookings.ts';
import type { Db } from '../../db/knex.ts';
import {
  findPayment,
  findPaymentById,
  openPaymentRow,
  type PaymentRow,
  recordIntent,
} from '../../db/payments.ts';
import { Problem } from '../../domain/problems.ts';
import { isFinalRefusal, isKeyRefused } from '../stripe/errors.ts';
import { findOrCreateIntent, intentFactOf, noIntentFact, retrieveIntent } from '../stripe/intents.ts';
import { flagLostIntent } from './flag-lost-intent.ts';

interface Deps {
  db: Db;
  stripe: Stripe;
  log: Logger;
}

export interface OpenedPayment {
  payment: PaymentRow;
  intent: Stripe.PaymentIntent;
}

/** Codes of refusals that are about the amount (https://docs.stripe.com/error-codes). */
const amountCodes: readonly (string | undefined)[] = ['amount_too_small', 'amount_too_large'];

/** How many attempts a request has: a PaymentIntent that is canceled or could not be made is followed by another. */
const attemptsMax = 4;

/**
 * Opens the payment of a booking: gets the open PaymentIntent that the booking has, or makes one. The row is written first,
 * and no database connection is held while Stripe is asked. The client secret is never stored.
 * @throws Problem already_paid, hold_expired, too_many_payment_attempts, stripe_unavailable, amount_not_chargeable,
 *   payment_provider_refused
 */
export async function openPayment(deps: Deps, booking: Pick<BookingDetailRow, 'id'>): Promise<OpenedPayment> {
  for (let attempt = 1; ; attempt++) {
    const { outcome, payment } = await openPaymentRow(deps.db, booking.id, randomUUID());
    if (outcome === 'already_paid') throw new Problem('already_paid');
    if (outcome === 'hold_expired') throw holdExpired();
    if (outcome === 'too_many_attempts') throw new Problem('too_many_payment_attempts');
    const intent = await askStripe(deps, payment);
    if (intent) {
      await recordIntent(deps.db, payment, intentFactOf(intent));
      if (intent.status === 'succeeded') throw new Problem('already_paid');
      if (intent.status !== 'canceled') return unlessClosed(deps, payment, intent);
    }
    if (attempt >= attemptsMax) throw stripeUnavailable();
  }
}

/**
 * The PaymentIntent that was opened for a payment, as it is by now: paid or canceled too. Where Stripe has none any more
 * the booking gets another.
 * @throws Problem booking_not_found, and those of `openPayment`
 */
export async function findOpenedPayment(deps: Deps, paymentId: number): Promise<OpenedPayment> {
  const payment = await findPaymentById(deps.db, paymentId);
  if (!payment) throw new Problem('booking_not_found');
  const intent = await askStripe(deps, payment);
  return intent ? { payment, intent } : openPayment(deps, { id: payment.bookingId });
}

/** The hold may have been settled while Stripe was asked: then this payment was closed with it, and is of no use. */
async function unlessClosed(
  { db }: Deps,
  payment: PaymentRow,
  intent: Stripe.PaymentIntent,
): Promise<OpenedPayment> {
  const now = await findPayment(db, { paymentRef: payment.ref });
  if (now?.status === 'canceled') throw holdExpired();
  return { payment, intent };
}

/** @returns the payment's PaymentIntent; undefined when Stripe certainly has none, so that there may be another attempt */
async function askStripe(deps: Deps, payment: PaymentRow): Promise<Stripe.PaymentIntent | undefined> {
  const { db, stripe, log } = deps;
  try {
    const intent = payment.intentId
      ? await retrieveIntent(stripe, payment.intentId)
      : await findOrCreateIntent(stripe, payment);
    if (intent) return intent;
    // The key may be that of another account. Should this PaymentIntent be paid after all, it is decided as a late payment.
    if (payment.intentId) await flagLostIntent(db, payment, payment.intentId);
    await recordIntent(db, payment, noIntentFact(payment));
    return undefined;
  } catch (error) {
    if (!(error instanceof Stripe.errors.StripeError)) throw error;
    if (isKeyRefused(error)) {
      // Its message stays out of the log: it shows a part of the key.
      const { code, type, statusCode, requestId } = error;
      log.error({ code, type, statusCode, stripeRequestId: requestId }, 'Stripe refuses our key');
    } else if (isFinalRefusal(error)) {
      if (amountCodes.includes(error.code)) throw new Problem('amount_not_chargeable');
      throw new Problem('payment_provider_refused', { detail: `Stripe says: ${error.code ?? error.type}.` });
    }
    throw stripeUnavailable();
  }
}

const holdExpired = () => new Problem('hold_expired', { detail: 'The hold has ended; book the slot again.' });

const stripeUnavailable = () =>
  new Problem('stripe_unavailable', {
    detail: 'No payment was taken. Ask again in a moment; the hold goes on.',
    retryAfterSeconds: 2,
  });
