import { ApplicationFailure } from '@temporalio/common';
import type Stripe from 'stripe';
import { raiseFlag } from '../db/flags.ts';
import {
  findRefund,
  noteRefundTrouble,
  recordRefund,
  type RefundFact,
  type RefundRow,
} from '../db/refunds.ts';
import type { ActivityDeps } from './deps.ts';
import { isFinalRefusal } from './stripe-client.ts';

/** Stripe forgets an idempotency key after 24 hours; from here on the refund is looked for before it is made. */
const keyTrustMs = 20 * 3_600_000;

export function createRefundActivities(deps: ActivityDeps) {
  const { db } = deps;
  return {
    /** Sends the money of a payment back, once. @returns the refund's status */
    async sendRefund({ paymentRef }: { paymentRef: string }): Promise<string> {
      const refund = await findRefund(db, paymentRef);
      if (!refund) throw ApplicationFailure.nonRetryable(`no refund of ${paymentRef}`, 'RefundNotFound');
      if (refund.status !== 'pending') return refund.status;
      try {
        const fact = refundFactOf(await findOrCreateRefund(deps, refund));
        await recordRefund(db, refund.paymentId, fact);
        return fact.status;
      } catch (error) {
        await noteRefundTrouble(db, refund.id, error instanceof Error ? error.message : String(error));
        if (isFinalRefusal(error))
          throw ApplicationFailure.nonRetryable('Stripe refuses the refund', error.code ?? error.type);
        throw error;
      }
    },

    /** The refund will not go through by itself: staff must see to it. */
    async flagRefundStuck({ paymentRef }: { paymentRef: string }): Promise<void> {
      const refund = await findRefund(db, paymentRef);
      if (!refund || refund.status !== 'pending') return;
      const detail = 'Stripe refuses this refund or did not answer for two weeks; make it by hand.';
      await raiseFlag(db, {
        kind: 'refund_stuck',
        subject: refund.intentId,
        detail,
        bookingId: refund.bookingId,
      });
    },
  };
}

async function findOrCreateRefund({ stripe }: ActivityDeps, refund: RefundRow): Promise<Stripe.Refund> {
  if (Date.now() - refund.createdAt.getTime() > keyTrustMs) {
    const known = await newestRefund(stripe, refund.intentId);
    if (known) return known;
  }
  try {
    return await stripe.refunds.create(
      {
        payment_intent: refund.intentId,
        amount: refund.amountMinor,
        metadata: { booking_ref: refund.bookingRef, payment_ref: refund.paymentRef, purpose: refund.purpose },
      },
      { idempotencyKey: `refund:${refund.paymentRef}` },
    );
  } catch (error) {
    // Refunded by hand meanwhile: what was wanted has happened.
    const known = isFinalRefusal(error) ? await newestRefund(stripe, refund.intentId) : undefined;
    if (!known) throw error;
    return known;
  }
}

async function newestRefund(stripe: Stripe, intentId: string): Promise<Stripe.Refund | undefined> {
  const { data } = await stripe.refunds.list({ payment_intent: intentId, limit: 10 });
  return data.find((refund) => refund.status !== 'failed' && refund.status !== 'canceled');
}

/** Stripe's word on a refund in ours. `pending` and `requires_action` are on their way. */
export function refundFactOf(refund: Stripe.Refund): RefundFact {
  const status =
    refund.status === 'succeeded'
      ? 'succeeded'
      : refund.status === 'failed' || refund.status === 'canceled'
        ? 'failed'
        : 'submitted';
  return { stripeRefundId: refund.id, status, error: refund.failure_reason ?? null };
}
