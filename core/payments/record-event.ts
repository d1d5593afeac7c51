import type Stripe from 'stripe';
import { z } from 'zod';
import { isOutOfReach } from '../../db/errors.ts';
import type { Db } from '../../db/knex.ts';
import { intentStatuses } from '../../db/models.ts';
import {
  recordChargeRefunded,
  recordDispute,
  type IntentEvent,
  type RecordedEvent,
  recordIntentEvents,
  recordRefundEvent,
} from '../../db/stripe-events.ts';
import { integerMax } from '../../domain/limits.ts';
import { gather } from './batch.ts';
import { refundFactOf } from './send-refund.ts';

/** The events that mean something here; Stripe's list of events is asked for these (20 at most). */
export const handledEventTypes = [
  'payment_intent.succeeded',
  'payment_intent.payment_failed',
  'payment_intent.canceled',
  'payment_intent.processing',
  'refund.created',
  'refund.updated',
  'refund.failed',
  'charge.refunded',
  'charge.dispute.created',
] as const;

/** Payments in one statement: while it runs, the answers of the one before go out and the next gather. */
const eventsAtOnceMax = 16;
const statementsAtOnceMax = 4;
/** Far longer than such a statement takes, so that it is told by a lock that somebody holds. */
const statementPatienceMs = 50;

export interface EventRecord extends Pick<RecordedEvent, 'message'> {
  outcome: RecordedEvent['outcome'] | 'ignored' | 'invalid';
}

/**
 * Records what an event of Stripe's says, once, in one transaction with the message that it leaves. The webhook
 * calls this with what Stripe has delivered, the reconciler with what Stripe says it has sent. Payments that come while
 * others are recorded go together.
 * @param leaseMs for so long a message is the caller's to carry; 0 leaves it to any relay
 */
export function createEventRecorder(db: Db, leaseMs: number) {
  const recordIntentEvent = gather((events: IntentEvent[]) => recordIntentEvents(db, events, leaseMs), {
    keyOf: ({ intentId }) => intentId,
    itemsMax: eventsAtOnceMax,
    callsMax: statementsAtOnceMax,
    patienceMs: statementPatienceMs,
    isHopeless: isOutOfReach,
  });

  return async function recordEvent(event: Stripe.Event): Promise<EventRecord> {
    const { id: eventId, type } = event;
    switch (event.type) {
      case 'payment_intent.succeeded':
      case 'payment_intent.payment_failed':
      case 'payment_intent.canceled':
      case 'payment_intent.processing': {
        const intent = intentEventOf(event, event.data.object);
        return intent ? recordIntentEvent(intent) : { outcome: 'invalid' };
      }
      case 'refund.created':
      case 'refund.updated':
      case 'refund.failed': {
        const refund = event.data.object;
        const intentId = idOf(refund.payment_intent);
        if (!intentId) return { outcome: 'ignored' };
        const paymentRef = uuidOf(refund.metadata?.['payment_ref']);
        const facts = { eventId, type, intentId, paymentRef, ...refundFactOf(refund) };
        return { outcome: await recordRefundEvent(db, facts) };
      }
      case 'charge.refunded': {
        const { id: chargeId, refunded: inFull, payment_intent } = event.data.object;
        const intentId = idOf(payment_intent);
        if (!intentId) return { outcome: 'ignored' };
        return { outcome: await recordChargeRefunded(db, { eventId, type, chargeId, intentId, inFull }) };
      }
      case 'charge.dispute.created': {
        const { id: disputeId, payment_intent } = event.data.object;
        const intentId = idOf(payment_intent);
        if (!intentId) return { outcome: 'ignored' };
        return { outcome: await recordDispute(db, { eventId, type, disputeId, intentId }) };
      }
      default:
        return { outcome: 'ignored' };
    }
  };
}

export type EventRecorder = ReturnType<typeof createEventRecorder>;

const uuid = z.uuid();
const uuidOf = (value: unknown) => uuid.safeParse(value).data ?? null;
const idOf = (value: string | { id: string } | null | undefined) =>
  typeof value === 'string' ? value : value?.id;

/** Ours fit a column. What does not is of another system on this account, which is told by its metadata. */
const minorUnits = z
  .number()
  .int()
  .min(0)
  .transform((amount) => Math.min(amount, integerMax));
const intentShape = z.object({
  id: z.string().min(1).max(255),
  status: z.enum(intentStatuses).exclude(['creating']),
  amount: minorUnits,
  amount_received: minorUnits.default(0),
  currency: z.string().length(3),
  metadata: z.record(z.string(), z.string()).nullish(),
});

/** What a `payment_intent.*` event says; undefined if it has not the shape of one. */
function intentEventOf({ id: eventId, type }: Stripe.Event, object: unknown): IntentEvent | undefined {
  const { data: intent } = intentShape.safeParse(object);
  return (
    intent && {
      eventId,
      type,
      intentId: intent.id,
      status: intent.status,
      amountMinor: intent.amount,
      receivedMinor: intent.amount_received,
      currency: intent.currency,
      paymentRef: uuidOf(intent.metadata?.['payment_ref']),
      bookingRef: uuidOf(intent.metadata?.['booking_ref']),
    }
  );
}
