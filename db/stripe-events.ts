import { raiseFlag } from './flags.ts';
import { type Db, prepared, rows } from './knex.ts';
import type { IntentStatus } from './models.ts';
import type { Message } from './outbox.ts';
import { recordRefund, type RefundFact } from './refunds.ts';

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
}

export interface RecordedEvent {
  outcome: 'recorded' | 'to_verify' | 'repeat' | 'foreign' | 'unknown_intent' | 'unknown_booking';
  /** The message that was left, leased to this process. */
  message?: Message & { id: string };
}

/**
 * Records verified `payment_intent.*` events, each once, all of them or none, in one statement (migration 0009).
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
    'select * from record_payment_events(?, ?) order by place',
    [JSON.stringify(events), leaseMs],
  );
  return recorded.map(({ place: _, outcome, outbox_id: id, ...message }) => ({
    outcome,
    ...(id !== null && { message: { ...message, id } }),
  }));
}

type RecordedRow = { place: number; outcome: RecordedEvent['outcome']; outbox_id: string | null } & Message;

/** Remembers an event's id. @returns false for a repeat */
async function rememberEvent(
  trx: Db,
  event: { eventId: string; type: string; objectId: string },
): Promise<boolean> {
  const made = await rows(
    trx,
    'insert into stripe_events (id, type, object_id) values (?, ?, ?) on conflict do nothing returning id',
    [event.eventId, event.type, event.objectId],
  );
  return made.length > 0;
}

async function findPaymentOfIntent(trx: Db, intentId: string) {
  const [payment] = await rows<{ id: number; bookingId: number }>(
    trx,
    'select id, booking_id as "bookingId" from payments where stripe_payment_intent_id = ?',
    [intentId],
  );
  return payment;
}

export interface RefundEvent extends RefundFact {
  eventId: string;
  type: string;
  intentId: string;
  /** The payment that the refund names; one that was made by hand at Stripe names none. */
  paymentRef: string | null;
}

/** Records a `refund.*` event on the refund that we asked for. A refund made by hand at Stripe is told by its charge. */
export async function recordRefundEvent(
  db: Db,
  event: RefundEvent,
): Promise<'recorded' | 'repeat' | 'foreign'> {
  return db.transaction(async (trx) => {
    if (!(await rememberEvent(trx, { ...event, objectId: event.stripeRefundId }))) return 'repeat';
    const payment = await findPaymentOfIntent(trx, event.intentId);
    if (!payment) return 'foreign';
    const known = await rows(
      trx,
      `select 1 from refunds f join payments p on p.id = f.payment_id
        where p.id = ? and (f.stripe_refund_id = ? or (f.stripe_refund_id is null and p.ref = ?))`,
      [payment.id, event.stripeRefundId, event.paymentRef],
    );
    if (known.length === 0) return 'foreign';
    await recordRefund(trx, payment.id, event);
    return 'recorded';
  });
}

/**
 * Records that a charge was refunded in full. Where no refund of ours stands behind it, somebody did it at Stripe:
 * the booking shows `refunded`, stays as it is, and staff is told. A refund of ours that was given up is complete with
 * it: staff was asked to make it there by hand.
 */
export async function recordChargeRefunded(
  db: Db,
  event: { eventId: string; type: string; chargeId: string; intentId: string; inFull: boolean },
): Promise<'recorded' | 'repeat' | 'foreign'> {
  return db.transaction(async (trx) => {
    if (!(await rememberEvent(trx, { ...event, objectId: event.chargeId }))) return 'repeat';
    const payment = await findPaymentOfIntent(trx, event.intentId);
    if (!payment) return 'foreign';
    if (!event.inFull) return 'recorded';
    const ours = await rows(trx, 'select 1 from refunds where payment_id = ?', [payment.id]);
    if (ours.length > 0) {
      if (await completeStuckRefund(trx, payment.id)) await showRefunded(trx, payment);
      return 'recorded';
    }
    await showRefunded(trx, payment);
    const detail = 'The money was given back at Stripe, not through this service; the booking stands.';
    await raiseFlag(trx, {
      kind: 'refunded_at_stripe',
      subject: event.intentId,
      detail,
      bookingId: payment.bookingId,
    });
    return 'recorded';
  });
}

/**
 * Ends a refund that was given up: its money went back all the same. One that is still tried is told by its own answer
 * and events, since the charge counts as refunded before the money has arrived.
 * @returns false when there is none
 */
async function completeStuckRefund(trx: Db, paymentId: number): Promise<boolean> {
  const completed = await rows(
    trx,
    `update refunds f set status = 'succeeded', last_error = null, updated_at = clock_timestamp()
       from payments p
      where p.id = ? and f.payment_id = p.id and f.status = 'pending'
        and exists (select 1 from flags g where g.kind = 'refund_stuck' and g.subject = p.stripe_payment_intent_id)
     returning f.id`,
    [paymentId],
  );
  return completed.length > 0;
}

/** Shows the booking as refunded, if this is the payment that counts for it. */
async function showRefunded(trx: Db, payment: { id: number; bookingId: number }): Promise<void> {
  await rows(
    trx,
    `update bookings set payment_status = 'refunded', updated_at = clock_timestamp()
      where id = ? and coalesce(confirmed_payment_id, ?) = ?`,
    [payment.bookingId, payment.id, payment.id],
  );
}

/** Notes a dispute for staff; nothing is cancelled or refunded by itself. */
export async function recordDispute(
  db: Db,
  event: { eventId: string; type: string; disputeId: string; intentId: string },
): Promise<'recorded' | 'repeat' | 'foreign'> {
  return db.transaction(async (trx) => {
    if (!(await rememberEvent(trx, { ...event, objectId: event.disputeId }))) return 'repeat';
    const payment = await findPaymentOfIntent(trx, event.intentId);
    if (!payment) return 'foreign';
    const detail = `The customer disputes the payment ${event.intentId}; answer at Stripe.`;
    await raiseFlag(trx, { kind: 'dispute', subject: event.disputeId, detail, bookingId: payment.bookingId });
    return 'recorded';
  });
}

/** Which of these event ids have been recorded? */
export async function knownEvents(db: Db, eventIds: string[]): Promise<Set<string>> {
  const known = await rows<{ id: string }>(db, 'select id from stripe_events where id = any(?)', [eventIds]);
  return new Set(known.map((row) => row.id));
}
