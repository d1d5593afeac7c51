import { ApplicationFailure } from '@temporalio/common';
import Stripe from 'stripe';
import { findMoneyMoved } from './find-money-moved.ts';
import { refundFactOf } from '../stripe/money-facts.ts';
import { judgeRefundRefusal } from '../stripe/refund-refusals.ts';
import {
  endRefundAttempt,
  findRefund,
  noteRefundTrouble,
  parkRefund,
  refuseRefund,
  type RefundRow,
} from '../../db/refunds.ts';
import { recordMoneyFact } from '../../db/stripe-events.ts';
import { unreachable } from '../../domain/unreachable.ts';
import type { ActivityDeps } from '../deps.ts';
import { isFinalRefusal, isReplayedFailure } from '../stripe/client.ts';
import type { InTurn } from '../../activities/limiter.ts';

/** Stripe forgets an idempotency key after 24 hours; from here on the refund is looked for before it is made. */
const keyTrustMs = 20 * 3_600_000;

/** Attempts in one run of the activity: where the amount differs from what is left, what is left is tried at once. */
const attemptsAtOnceMax = 3;

interface OfRefund {
  refundRef: string;
}

export function createRefundActivities(deps: ActivityDeps, inTurn: InTurn) {
  const { db } = deps;
  return {
    /**
     * Sends a refund, once.
     * @returns its status at Stripe, or `dropped` when the money has gone back another way
     * @throws what ends the run so that it can be replaced: RefundNotFound (a restored database), RefundParked until a
     *   dispute has closed, RefundRefused until staff retries it; anything else is tried again
     */
    sendRefund: inTurn(({ refundRef }: OfRefund) => sendRefund(deps, refundRef)),

    /** Stripe has refused the refund for two weeks: staff must see to it. */
    async giveUpRefund({ refundRef }: OfRefund): Promise<void> {
      const refund = await findRefund(db, { refundRef });
      if (refund) {
        const said = refund.lastError ? ` Stripe says: ${refund.lastError}` : '';
        await refuseRefund(db, refund.id, `This refund was tried for two weeks in vain.${said}`);
      }
    },
  };
}

async function sendRefund(deps: ActivityDeps, refundRef: string): Promise<string> {
  for (let attempt = 1; attempt <= attemptsAtOnceMax; attempt++) {
    const refund = await findRefund(deps.db, { refundRef });
    if (!refund) throw ApplicationFailure.nonRetryable(`no refund ${refundRef}`, 'RefundNotFound');
    const ended = endOf(refund);
    if (ended) return ended;
    if (mayBeMade(refund) && (await findMade(deps, refund))) continue;
    try {
      await recordMoneyFact(deps.db, refundFactOf(await createRefund(deps.stripe, refund)));
    } catch (error) {
      if (!(error instanceof Stripe.errors.StripeError)) throw error;
      if (!(await takeRefusal(deps, refund, error))) throw error;
    }
  }
  // Stripe's word on another refund of this payment is still to come.
  throw ApplicationFailure.retryable(`the refund ${refundRef} has not settled`, 'RefundUnsettled');
}

/** How a refund has ended, if it is not to be sent any more. */
function endOf({ status }: RefundRow): string | undefined {
  switch (status) {
    case 'pending':
      return undefined;
    case 'submitted':
    case 'succeeded':
    case 'failed':
    case 'dropped':
      return status;
    case 'parked':
      throw ApplicationFailure.nonRetryable('the refund waits for a dispute to close', 'RefundParked');
    case 'refused':
      throw ApplicationFailure.nonRetryable('the refund was given up; staff can retry it', 'RefundRefused');
    default:
      return unreachable(status);
  }
}

/** The key is the refund's and the attempt's, so that there is one refund whoever asks, however often. */
function createRefund(stripe: Stripe, refund: RefundRow): Promise<Stripe.Refund> {
  const { ref, paymentRef, bookingRef, reason, intentId, amountMinor, attempt } = refund;
  return stripe.refunds.create(
    {
      payment_intent: intentId,
      amount: amountMinor,
      metadata: { booking_ref: bookingRef, payment_ref: paymentRef, refund_ref: ref, reason },
    },
    { idempotencyKey: `refund:${ref}:${attempt}` },
  );
}

/**
 * May Stripe have made this refund in a way that its idempotency key does not tell? Long ago, or, where the row is made
 * anew after a restored database had lost it, under another name.
 */
function mayBeMade({ createdAt, reason }: RefundRow): boolean {
  return Date.now() - createdAt.getTime() > keyTrustMs || reason.startsWith('staff:restored');
}

/** Has Stripe made this refund, though its answer was lost? Then it is on record now, as is everything else that moved. */
async function findMade(deps: ActivityDeps, refund: RefundRow): Promise<boolean> {
  const made = await findMoneyMoved(deps, refund.intentId);
  return made.some(({ metadata }) => metadata?.['refund_ref'] === refund.ref);
}

/**
 * Notes what Stripe said to an attempt. A refusal for certain ends the attempt, after all that Stripe has of the payment
 * was recorded: the refund may have been made by a request whose answer was lost, or money may have moved another way.
 * @returns whether another attempt may go through at once
 */
async function takeRefusal(
  deps: ActivityDeps,
  refund: RefundRow,
  error: Stripe.errors.StripeError,
): Promise<boolean> {
  const { db } = deps;
  const { code, message, param } = error;
  await noteRefundTrouble(db, refund.id, message);
  if (!isFinalRefusal(error) && !isReplayedFailure(error)) return false;
  if (await findMade(deps, refund)) return true;
  await endRefundAttempt(db, refund, { code, message });
  if (isReplayedFailure(error)) return true;

  const refusal = judgeRefundRefusal({ code, param });
  switch (refusal) {
    case 'disputed':
      return parkRefund(db, refund.id);
    case 'differs':
      return true;
    case 'final':
      await refuseRefund(db, refund.id, `Stripe refuses this refund: ${message}`);
      return true;
    case 'passes':
      return error.type === 'StripeIdempotencyError';
    default:
      return unreachable(refusal);
  }
}
