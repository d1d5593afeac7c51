import { declinesMax } from '../domain/limits.ts';
import { type Db, prepared, rows } from './knex.ts';
import type { IntentStatus } from './models.ts';
import type { Message } from './outbox.ts';

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
  /** The message that was left, leased to this process. */
  message?: Message & { id: string };
}

/**
 * Records verified `payment_intent.*` events, each once, all of them or none, in one statement (db/schema/payment-events.sql).
 * @param events of different PaymentIntents
 * @param leaseMs how long their messages are the caller's
 * @returns what became of each, in their order
 */
export async function recordIntentEvents(
  db: Db,
  events: readonly IntentEvent[],
  leaseMs: number,
): Promise<RecordedEvent[]> {
  const recorded = await prepared<RecordedRow>(
    db,
    'record_payment_events',
    'select * from record_payment_events(?, ?, ?) order by place',
    [JSON.stringify(events), leaseMs, declinesMax],
  );
  return recorded.map(({ place: _, outcome, outbox_id: id, ...message }) => ({
    outcome,
    ...(id !== null && { message: { ...message, id } }),
  }));
}

type RecordedRow = { place: number; outcome: RecordedEvent['outcome']; outbox_id: string | null } & Message;

/** Stripe's object, and the payment that it belongs to: named by the charge where the PaymentIntent is not known. */
interface OfPayment {
  id: string;
  intentId: string | null;
  chargeId: string | null;
}

/** A refund as Stripe has it. */
export interface RefundFact extends OfPayment {
  kind: 'refund';
  /** Our own name for it; null for one that was made at Stripe. */
  refundRef: string | null;
  status: 'submitted' | 'succeeded' | 'failed';
  amountMinor: number;
  currency: string;
  error: string | null;
  /** The amount in words for people: `15.00 USD`. */
  shown: string;
}

/** A dispute as Stripe had it at `asOf`, ISO 8601. */
export interface DisputeFact extends OfPayment {
  kind: 'dispute';
  status: string;
  /** Has the bank taken the money and not given it back? */
  withdrawn: boolean;
  amountMinor: number;
  currency: string;
  asOf: string;
  shown: string;
}

/** How much of a charge has gone back, summed over its refunds. */
export interface ChargeFact extends OfPayment {
  kind: 'charge';
  refundedMinor: number;
}

export type MoneyFact = RefundFact | DisputeFact | ChargeFact;

/**
 * Records what Stripe says of a refund, a dispute or a charge, in one statement (db/schema/money-facts.sql).
 * @param event the event that reports it, which counts once; undefined where Stripe was asked
 * @returns `parked` when its payment is not known or not paid yet: it counts as soon as it is
 */
export async function recordMoneyFact(
  db: Db,
  fact: MoneyFact,
  event?: { id: string; type: string },
): Promise<'recorded' | 'repeat' | 'parked'> {
  const [row] = await prepared<{ outcome: 'recorded' | 'repeat' | 'parked' }>(
    db,
    'record_money_fact',
    'select record_money_fact(?, ?) as outcome',
    [event ? JSON.stringify(event) : null, JSON.stringify(fact)],
  );
  return row?.outcome ?? 'repeat';
}

/** Which of these event ids have been recorded? */
export async function knownEvents(db: Db, eventIds: string[]): Promise<Set<string>> {
  const known = await rows<{ id: string }>(db, 'select id from stripe_events where id = any(?)', [eventIds]);
  return new Set(known.map((row) => row.id));
}
