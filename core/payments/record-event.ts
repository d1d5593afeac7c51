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
import { batch } from './batch.ts';

/** The types of events that are recorded. Stripe's list of events can be asked for at most 20 types. */
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

/** How many payment events one statement records (docs/performance.md, webhooks). */
const eventsAtOnceMax = 16;
const statementsAtOnceMax = 4;
/** A statement that takes longer than this is waiting for a lock. */
const slowStatementMs = 50;

export interface EventOutcome extends Pick<RecordedEvent, 'message'> {
  outcome: RecordedEvent['outcome'] | 'parked' | 'ignored' | 'invalid';
}

/**
 * Records what an event of Stripe's says, once, in one transaction with the message that it leaves. The webhook records
 * the events that Stripe delivers, the reconciler those that Stripe lists. Payment events that arrive while others are
 * being recorded are recorded together.
 * @param leaseMs how long the caller alone carries the message; 0 leaves it to any relay
 */
export function createEventRecorder(db: Db, leaseMs: number) {
  const recordIntentEvent = batch((events: IntentEvent[]) => recordIntentEvents(db, events, leaseMs), {
    keyOf: ({ intentId }) => intentId,
    itemsMax: eventsAtOnceMax,
    callsMax: statementsAtOnceMax,
    slowCallMs: slowStatementMs,
    isFatal: isOutOfReach,
  });

  async function recordFact({ id, type }: Stripe.Event, fact: MoneyFact): Promise<EventOutcome> {
    const { data } = moneyFactShape.safeParse(fact);
    if (!data) return { outcome: 'invalid' };
    if (fact.intentId === null && fact.chargeId === null) return { outcome: 'ignored' };
    return { outcome: await recordMoneyFact(db, fact, { id, type }) };
  }

  return async function recordEvent(event: Stripe.Event): Promise<EventOutcome> {
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

/** Larger amounts belong to another system on this Stripe account; its metadata says so. */
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

/** What every fact about money must have. Larger amounts belong to another system on this Stripe account. */
const moneyFactShape = z.object({
  id: z.string().min(1).max(255),
  intentId: z.string().min(1).max(255).nullable(),
  chargeId: z.string().min(1).max(255).nullable(),
  amountMinor: z.number().int().min(0).max(integerMax).optional(),
  refundedMinor: z.number().int().min(0).max(integerMax).optional(),
  currency: z.string().length(3).optional(),
  status: z.string().min(1).max(100).optional(),
});

/** When Stripe made the event; now, where an event that was made by hand does not say. */
const madeAt = ({ created }: { created?: number }) =>
  new Date(created === undefined ? Date.now() : created * 1000);

/** What a `payment_intent.*` event says; undefined if it does not have the shape of one. */
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
