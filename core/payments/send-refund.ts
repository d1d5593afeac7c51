import Stripe from 'stripe';
import type { Db } from '../../db/knex.ts';
import { recordMoneyMoved } from './record-money-moved.ts';
import { refundFactOf } from '../stripe/money-facts.ts';
import { createRefund, judgeRefundRefusal } from '../stripe/refunds.ts';
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
import { FinalFailure, NotYet } from '../failures.ts';
import { isFinalRefusal, isReplayedFailure } from '../stripe/errors.ts';

interface Deps {
  db: Db;
  stripe: Stripe;
}

/** Stripe forgets an idempotency key after 24 hours. A refund that is older than this is looked for before it is made. */
const keyTrustMs = 20 * 3_600_000;

/** Attempts in one call: where the amount differs from what is left of the payment, what is left is tried at once. */
const attemptsAtOnceMax = 3;

/**
 * Sends a refund, once.
 * @returns its status at Stripe, or `dropped` when the money has gone back another way
 * @throws FinalFailure RefundNotFound (a restored database), RefundParked until a dispute has closed, RefundRefused until
 *   staff retries it: the run of its workflow ends, so that another can replace it. NotYet RefundUnsettled, StripeError:
 *   to be tried again
 */
export async function sendRefund(deps: Deps, refundRef: string): Promise<string> {
  for (let attempt = 1; attempt <= attemptsAtOnceMax; attempt++) {
    const refund = await findRefund(deps.db, { refundRef });
    if (!refund) throw new FinalFailure('RefundNotFound', `no refund ${refundRef}`);
    const ended = endOf(refund);
    if (ended) return ended;
    if (mayAlreadyExist(refund) && (await isAtStripe(deps, refund))) continue;
    try {
      await recordMoneyFact(deps.db, refundFactOf(await createRefund(deps.stripe, refund)));
    } catch (error) {
      if (!(error instanceof Stripe.errors.StripeError)) throw error;
      if (!(await handleRefusal(deps, refund, error))) throw error;
    }
  }
  // Stripe has yet to say what becomes of another refund of this payment.
  throw new NotYet('RefundUnsettled', `the refund ${refundRef} has not settled`);
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
      throw new FinalFailure('RefundParked', 'the refund waits for a dispute to close');
    case 'refused':
      throw new FinalFailure('RefundRefused', 'the refund was given up; staff can retry it');
    default:
      return unreachable(status);
  }
}

/**
 * May Stripe have made this refund although its idempotency key does not say so? That key is forgotten after a day; and a
 * refund that a restored database had lost was made under another name.
 */
function mayAlreadyExist({ createdAt, reason }: RefundRow): boolean {
  return Date.now() - createdAt.getTime() > keyTrustMs || reason.startsWith('staff:restored');
}

/** Has Stripe made this refund, though its answer was lost? Everything that moved at Stripe is on record afterwards. */
async function isAtStripe(deps: Deps, refund: RefundRow): Promise<boolean> {
  const made = await recordMoneyMoved(deps, refund.intentId);
  return made.some(({ metadata }) => metadata?.['refund_ref'] === refund.ref);
}

/**
 * Notes why Stripe refused an attempt. A definite refusal ends the attempt, but first everything that Stripe has of the
 * payment is recorded: a request whose answer was lost may have made the refund, or money may have moved another way.
 * @returns whether another attempt may go through at once
 */
async function handleRefusal(
  deps: Deps,
  refund: RefundRow,
  error: Stripe.errors.StripeError,
): Promise<boolean> {
  const { db } = deps;
  const { code, message, param } = error;
  await noteRefundTrouble(db, refund.id, message);
  if (!isFinalRefusal(error) && !isReplayedFailure(error)) return false;
  if (await isAtStripe(deps, refund)) return true;
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
    case 'transient':
      return error.type === 'StripeIdempotencyError';
    default:
      return unreachable(refusal);
  }
}
