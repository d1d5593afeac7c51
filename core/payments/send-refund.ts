import { ApplicationFailure } from '@temporalio/common';
import type Stripe from 'stripe';
import { raiseFlag } from '../../db/flags.ts';
import {
  findRefund,
  noteRefundTrouble,
  recordRefund,
  type RefundFact,
  type RefundRow,
} from '../../db/refunds.ts';
import type { ActivityDeps } from '../deps.ts';
import { isFinalRefusal, isReplayedFailure } from '../stripe/client.ts';
import type { InTurn } from '../../activities/limiter.ts';

/** Stripe forgets an idempotency key after 24 hours; from here on the refund is looked for before it is made. */
const keyTrustMs = 20 * 3_600_000;

export function createRefundActivities(deps: ActivityDeps, inTurn: InTurn) {
  const { db } = deps;
  return {
    /** Sends the money of a payment back, once. @returns the refund's status */
    sendRefund: inTurn(async ({ paymentRef }: { paymentRef: string }): Promise<string> => {
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
    }),

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

/**
 * Makes the refund, or finds what has been made. Stripe's own amount is the last guard: it gives back no more than
 * came. Where part was given back by hand, only the rest is.
 */
async function findOrCreateRefund({ stripe }: ActivityDeps, refund: RefundRow): Promise<Stripe.Refund> {
  let amountMinor = refund.amountMinor;
  if (Date.now() - refund.createdAt.getTime() > keyTrustMs) {
    const made = await listRefunds(stripe, refund);
    if (made.newest && made.leftMinor <= 0) return made.newest;
    amountMinor = made.leftMinor;
  }
  for (let round = 1; ; round++) {
    try {
      return await createRefund(stripe, refund, amountMinor, round);
    } catch (error) {
      const replayed = isReplayedFailure(error) && round < roundsMax;
      if (!replayed && !isFinalRefusal(error)) throw error;
      const made = await listRefunds(stripe, refund);
      if (made.newest && made.leftMinor <= 0) return made.newest;
      // Refused, although as much as we know of is left: no other key will help.
      if (!replayed && made.leftMinor === amountMinor) throw error;
      amountMinor = made.leftMinor;
    }
  }
}

/** After a failure that Stripe replays the next key is used, so often in one try. */
const roundsMax = 5;

/** The key is the payment's, so that there is one refund. What else is asked under another round has its own. */
async function createRefund(
  stripe: Stripe,
  refund: RefundRow,
  amountMinor: number,
  round: number,
): Promise<Stripe.Refund> {
  const { paymentRef, bookingRef, purpose, intentId } = refund;
  const part = amountMinor === refund.amountMinor ? '' : `:${amountMinor}`;
  return stripe.refunds.create(
    {
      payment_intent: intentId,
      amount: amountMinor,
      metadata: { booking_ref: bookingRef, payment_ref: paymentRef, purpose },
    },
    { idempotencyKey: `refund:${paymentRef}${part}${round === 1 ? '' : `:${round}`}` },
  );
}

/** What Stripe has given back of this payment, whoever asked for it, and how much of ours is left to give. */
async function listRefunds(stripe: Stripe, refund: RefundRow) {
  const { data } = await stripe.refunds.list({ payment_intent: refund.intentId, limit: 100 });
  const standing = data.filter((made) => made.status !== 'failed' && made.status !== 'canceled');
  const givenMinor = standing.reduce((sum, made) => sum + made.amount, 0);
  return { newest: standing[0], leftMinor: refund.amountMinor - givenMinor };
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
