import type Stripe from 'stripe';
import type { Db } from '../../db/knex.ts';
import { recordMoneyFact } from '../../db/stripe-events.ts';
import { disputeFactOf, refundFactOf } from '../stripe/money-facts.ts';

/**
 * Asks Stripe for all refunds and disputes of a PaymentIntent and records them, whichever of their events have arrived.
 * @returns the refunds as Stripe has them, newest first
 * @throws StripeError
 */
export async function recordMoneyMoved(
  { db, stripe }: { db: Db; stripe: Stripe },
  intentId: string,
): Promise<Stripe.Refund[]> {
  const disputes = await stripe.disputes.list({ payment_intent: intentId, limit: 100 });
  const refunds = await stripe.refunds.list({ payment_intent: intentId, limit: 100 });
  const stripeNow = new Date(disputes.lastResponse.headers['date'] ?? Date.now());
  // Failed refunds first: those that replaced them fit only then.
  const failedFirst = [...refunds.data].sort((a, b) => Number(hasFailed(b)) - Number(hasFailed(a)));
  for (const refund of failedFirst) await recordMoneyFact(db, refundFactOf(refund));
  for (const dispute of disputes.data) await recordMoneyFact(db, disputeFactOf(dispute, stripeNow));
  return refunds.data;
}

const hasFailed = ({ status }: Stripe.Refund) => status === 'failed' || status === 'canceled';
