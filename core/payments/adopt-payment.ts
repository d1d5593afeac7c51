import { randomUUID } from 'node:crypto';
import type Stripe from 'stripe';
import type { Db } from '../../db/knex.ts';
import { adoptPaidIntent, type PaymentRow } from '../../db/payments.ts';
import { intentFactOf } from '../stripe/intents.ts';

/**
 * Adopts a paid PaymentIntent that names our booking but that no row knows, so that its money is accounted for.
 * @returns undefined when it is not paid, or names another booking
 */
export async function adoptPayment(
  db: Db,
  intent: Stripe.PaymentIntent,
  bookingRef: string,
): Promise<PaymentRow | undefined> {
  if (intent.status !== 'succeeded' || intent.metadata['booking_ref'] !== bookingRef) return undefined;
  const { chargeId, chargedAt } = intentFactOf(intent);
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
