import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import Stripe from 'stripe';
import { factOf, factOfNone, findOrCreateIntent } from '../stripe/intents.ts';
import { isFinalRefusal, isKeyRefused } from '../stripe/client.ts';
import type { BookingDetailRow } from '../../db/bookings.ts';
import type { Db } from '../../db/knex.ts';
import {
  findPayment,
  findPaymentById,
  openPayment,
  type PaymentRow,
  recordIntent,
} from '../../db/payments.ts';
import { Problem } from '../../domain/problems.ts';

interface Deps {
  db: Db;
  stripe: Stripe;
  log: Logger;
}

export interface OpenIntent {
  payment: PaymentRow;
  intent: Stripe.PaymentIntent;
}

/** A PaymentIntent that was canceled or could not be made is followed by another attempt, so often. */
const attemptsMax = 4;

/**
 * The live PaymentIntent of a booking: the one it has, or a new one. The row comes first and no connection is held
 * while Stripe is asked. The client secret is Stripe's to give: it is never stored.
 * @throws Problem already_paid, hold_expired, stripe_unavailable, payment_provider_refused
 */
export async function openIntent(deps: Deps, booking: BookingDetailRow): Promise<OpenIntent> {
  for (let attempt = 1; ; attempt++) {
    const { outcome, payment } = await openPayment(deps.db, booking.id, randomUUID());
    if (outcome === 'already_paid') throw new Problem('already_paid');
    if (outcome === 'hold_expired') throw holdExpired();
    const intent = await askStripe(deps, payment);
    if (intent) {
      await recordIntent(deps.db, payment, factOf(intent));
      if (intent.status === 'succeeded') throw new Problem('already_paid');
      if (intent.status !== 'canceled') return stillWanted(deps, payment, intent);
    }
    if (attempt >= attemptsMax) throw stripeUnavailable();
  }
}

/**
 * The PaymentIntent that was opened for a payment, as it is by now: paid or canceled too.
 * @throws Problem booking_not_found, stripe_unavailable, payment_provider_refused
 */
export async function findOpenedIntent(deps: Deps, paymentId: number): Promise<OpenIntent> {
  const payment = await findPaymentById(deps.db, paymentId);
  if (!payment) throw new Problem('booking_not_found');
  const intent = await askStripe(deps, payment);
  if (!intent) throw stripeUnavailable();
  return { payment, intent };
}

/** The hold may have been settled while Stripe was asked: then this intent was closed with it, and is of no use. */
async function stillWanted(
  { db }: Deps,
  payment: PaymentRow,
  intent: Stripe.PaymentIntent,
): Promise<OpenIntent> {
  const now = await findPayment(db, { paymentRef: payment.ref });
  if (now?.status === 'canceled') throw holdExpired();
  return { payment, intent };
}

/** The payment's PaymentIntent, made if need be; undefined when it certainly was not made and a new attempt may be. */
async function askStripe(deps: Deps, payment: PaymentRow): Promise<Stripe.PaymentIntent | undefined> {
  const { db, stripe, log } = deps;
  try {
    if (payment.intentId) return await stripe.paymentIntents.retrieve(payment.intentId);
    const intent = await findOrCreateIntent(stripe, payment);
    if (!intent) await recordIntent(db, payment, factOfNone(payment));
    return intent;
  } catch (error) {
    if (!(error instanceof Stripe.errors.StripeError)) throw error;
    if (isKeyRefused(error)) {
      // Its message stays out of the log: it shows a part of the key.
      const { code, type, statusCode, requestId } = error;
      log.error({ code, type, statusCode, stripeRequestId: requestId }, 'Stripe refuses our key');
    } else if (isFinalRefusal(error)) {
      throw new Problem('payment_provider_refused', { detail: `Stripe says: ${error.code ?? error.type}.` });
    }
    throw stripeUnavailable();
  }
}

const holdExpired = () => new Problem('hold_expired', { detail: 'The hold has ended; book the slot again.' });

const stripeUnavailable = () =>
  new Problem('stripe_unavailable', {
    detail: 'No payment was taken. Ask again in a moment; the hold goes on.',
    headers: { 'Retry-After': '2' },
  });
