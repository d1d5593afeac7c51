import type Stripe from 'stripe';
import { z } from 'zod';
import { isOutOfReach } from '../../db/errors.ts';
import type { Db } from '../../db/knex.ts';
import { intentStatuses } from '../../db/models.ts';
import { chargeFactOf, disputeFactOf, refundFactOf } from '../stripe/money-facts.ts';
import {
  type IntentEvent,
  type MoneyFact,
  type RecordedEvent,
  recordIntentEvents,
  recordMoneyFact,
} from '../../db/stripe-events.ts';
import { integerMax } from '../../domain/limits.ts';
import { gather } from './batch.ts';

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
  'charge.dispute.updated',
  'charge.dispute.funds_withdrawn',
  'charge.dispute.funds_reinstated',
  'charge.dispute.closed',
] as const;

/** Payments in one statement: while it runs, the answers of the one before go out and the next gather. */
const eventsAtOnceMax = 16;
const statementsAtOnceMax = 4;
/** Far longer than such a statement takes, so that it is told by a lock that somebody holds. */
const statementPatienceMs = 50;

export interface EventRecord extends Pick<RecordedEvent, 'message'> {
  outcome: RecordedEvent['outcome'] | 'parked' | 'ignored' | 'invalid';
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

  async function recordFact({ id, type }: Stripe.Event, fact: MoneyFact): Promise<EventRecord> {
    const { data } = moneyFactShape.safeParse(fact);
    if (!data) return { outcome: 'invalid' };
    if (fact.intentId === null && fact.chargeId === null) return { outcome: 'ignored' };
    return { outcome: await recordMoneyFact(db, fact, { id, type }) };
  }

  return async function recordEvent(event: Stripe.Event): Promise<EventRecord> {
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
      case 'refund.failed':
        return recordFact(event, refundFactOf(event.data.object));
      case 'charge.refunded':
        return recordFact(event, chargeFactOf(event.data.object));
      case 'charge.dispute.created':
      case 'charge.dispute.updated':
      case 'charge.dispute.funds_withdrawn':
      case 'charge.dispute.funds_reinstated':
      case 'charge.dispute.closed':
        return recordFact(event, disputeFactOf(event.data.object, madeAt(event)));
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
  latest_charge: z.union([z.string(), z.object({ id: z.string() })]).nullish(),
});

/** What every fact about money must have; amounts beyond a column are of another system on this account, too. */
const moneyFactShape = z.object({
  id: z.string().min(1).max(255),
  intentId: z.string().min(1).max(255).nullable(),
  chargeId: z.string().min(1).max(255).nullable(),
  amountMinor: z.number().int().min(0).max(integerMax).optional(),
  refundedMinor: z.number().int().min(0).max(integerMax).optional(),
  currency: z.string().length(3).optional(),
  status: z.string().min(1).max(100).optional(),
});

/** When Stripe made an event; one that was made by hand may not say. */
const madeAt = ({ created }: { created?: number }) =>
  new Date(created === undefined ? Date.now() : created * 1000);

/** What a `payment_intent.*` event says; undefined if it has not the shape of one. */
function intentEventOf(event: Stripe.Event, object: unknown): IntentEvent | undefined {
  const { id: eventId, type } = event;
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
      chargeId: idOf(intent.latest_charge) ?? null,
      eventAt: madeAt(event).toISOString(),
    }
  );
}
