import { declinesMax } from '../domain/limits.ts';
import type { Db } from './knex.ts';
import type { IntentStatus } from './models.ts';
import type { Message } from './outbox.ts';
import { sql } from './sql.ts';

export interface IntentEvent {
  eventId: string;
  type: string;
  intentId: string;
  status: IntentStatus;
  amountMinor: number;
  receivedMinor: number;
  currency: string;
  paymentRef: string | null;
  bookingRef: string | null;
  /** The charge that paid it, or was declined. */
  chargeId: string | null;
  /** When Stripe made the event, ISO 8601. */
  eventAt: string;
}

export interface RecordedEvent {
  outcome: 'recorded' | 'to_verify' | 'repeat' | 'foreign' | 'unknown_intent' | 'unknown_booking';
  /** The message that was enqueued, leased to this process. */
  message?: Message & { id: string };
}

/**
 * Records verified `payment_intent.*` events, each once, all of them or none, in one statement
 * (db/schema/payment-events.sql).
 * @param events of different PaymentIntents
 * @param leaseMs how long their messages stay leased to the caller
 * @returns the outcome of each, in the order of `events`
 */
export async function recordIntentEvents(
  db: Db,
  events: readonly IntentEvent[],
  leaseMs: number,
): Promise<RecordedEvent[]> {
  const recorded = await sql<RecordedRow>(
    db,
    'record_payment_events',
    'select * from record_payment_events(:events, :leaseMs, :declinesMax) order by place',
    { events: JSON.stringify(events), leaseMs, declinesMax },
  );
  return recorded.map(({ place: _, outcome, outboxId: id, ...message }) => ({
    outcome,
    ...(id !== null && { message: { ...message, id } }),
  }));
}

type RecordedRow = { place: number; outcome: RecordedEvent['outcome']; outboxId: string | null } & Message;

/** The object at Stripe and its payment, found by the charge where the PaymentIntent is unknown. */
interface OfPayment {
  id: string;
  intentId: string | null;
  chargeId: string | null;
}

/** A refund as Stripe has it. */
export interface RefundFact extends OfPayment {
  kind: 'refund';
  /** Our own ref; null for a refund that was made at Stripe. */
  refundRef: string | null;
  status: 'submitted' | 'succeeded' | 'failed';
  amountMinor: number;
  currency: string;
  error: string | null;
  /** The amount as text for people: `15.00 USD`. */
  shown: string;
}

/** The state of a dispute at Stripe at `asOf`, ISO 8601. */
export interface DisputeFact extends OfPayment {
  kind: 'dispute';
  status: string;
  /** Whether the bank has taken the money and not given it back. */
  withdrawn: boolean;
  amountMinor: number;
  currency: string;
  asOf: string;
  shown: string;
}

/** The refunded part of a charge, summed over its refunds. */
export interface ChargeFact extends OfPayment {
  kind: 'charge';
  refundedMinor: number;
}

export type MoneyFact = RefundFact | DisputeFact | ChargeFact;

/**
 * Records a fact about a refund, a dispute or a charge, in one statement (db/schema/money-facts.sql).
 * @param event the event that reports it, which counts once; undefined where Stripe was asked
 * @returns `parked` when its payment is unknown or not paid yet: the fact is applied as soon as it is
 */
export async function recordMoneyFact(
  db: Db,
  fact: MoneyFact,
  event?: { id: string; type: string },
): Promise<'recorded' | 'repeat' | 'parked'> {
  const [row] = await sql<{ outcome: 'recorded' | 'repeat' | 'parked' }>(
    db,
    'record_money_fact',
    'select record_money_fact(:event, :fact) as outcome',
    { event: event ? JSON.stringify(event) : null, fact: JSON.stringify(fact) },
  );
  return row?.outcome ?? 'repeat';
}

/** Those of these event ids that have been recorded. */
export async function knownEvents(db: Db, eventIds: string[]): Promise<Set<string>> {
  const statement = 'select id from stripe_events where id = any(:eventIds)';
  const known = await sql<{ id: string }>(db, 'known_events', statement, { eventIds });
  return new Set(known.map((row) => row.id));
}
