import type { RefundReason } from '../domain/booking.ts';
import type { Db } from './knex.ts';
import type { RefundStatus } from './models.ts';
import { sql } from './sql.ts';

export interface RefundRow {
  id: number;
  ref: string;
  paymentId: number;
  paymentRef: string;
  bookingId: number;
  bookingRef: string;
  intentId: string;
  reason: RefundReason;
  amountMinor: number;
  currency: string;
  status: RefundStatus;
  attempt: number;
  /** Refunded again by staff, after it had failed. */
  retried: boolean;
  lastError: string | null;
  createdAt: Date;
}

const refundColumns = `
  f.id, f.ref, f.payment_id, p.ref as payment_ref, f.booking_id, b.ref as booking_ref,
  p.stripe_payment_intent_id as intent_id, f.reason, f.amount_minor, f.currency, f.status, f.attempt,
  f.retried_by is not null as retried, f.last_error, f.created_at`;
const refundTables =
  'refunds f join payments p on p.id = f.payment_id join bookings b on b.id = f.booking_id';

/**
 * Decides to refund the rest of a payment, once for each reason, and enqueues the message that starts its workflow
 * (db/schema/refunds.sql). Called inside the transaction that decides, under the booking's lock.
 * @returns the refund's id; undefined when nothing is left, or when there is a refund for this reason
 */
export async function insertRefund(
  trx: Db,
  refund: { paymentId: number; reason: RefundReason; amountMaxMinor?: number },
): Promise<number | undefined> {
  const { paymentId, reason, amountMaxMinor = null } = refund;
  const [row] = await sql<{ id: number | null }>(
    trx,
    'refund_payment',
    'select refund_payment(:paymentId, :reason, :amountMaxMinor) as id',
    { paymentId, reason, amountMaxMinor },
  );
  return row?.id ?? undefined;
}

/**
 * Decides to refund the rest of every payment of a booking.
 * @param reasonOf the reason for each refund: a payment has one refund for each reason
 * @returns how many refunds were made
 */
export async function refundAllPaid(
  trx: Db,
  bookingId: number,
  reasonOf: () => RefundReason,
): Promise<number> {
  const paid = await sql<{ id: number }>(
    trx,
    'lock_paid_payments',
    "select id from payments where booking_id = :bookingId and status = 'succeeded' order by id for no key update",
    { bookingId },
  );
  let made = 0;
  for (const { id } of paid) {
    if (await insertRefund(trx, { paymentId: id, reason: reasonOf() })) made++;
  }
  return made;
}

/** A refund by the name that Temporal and Stripe know, or by its public id. */
export async function findRefund(
  db: Db,
  by: { refundRef: string } | { id: number },
): Promise<RefundRow | undefined> {
  const select = `select ${refundColumns} from ${refundTables}`;
  const [row] =
    'id' in by
      ? await sql<RefundRow>(db, 'find_refund_by_id', `${select} where f.id = :id`, { id: by.id })
      : await sql<RefundRow>(db, 'find_refund', `${select} where f.ref = :ref`, { ref: by.refundRef });
  return row;
}

/** The refunds of a booking, oldest first. */
export function listRefunds(db: Db, bookingId: number): Promise<RefundRow[]> {
  return sql(
    db,
    'list_refunds',
    `select ${refundColumns} from ${refundTables} where f.booking_id = :bookingId order by f.id limit 200`,
    { bookingId },
  );
}

/** Notes why a refund has not gone through yet, for staff to see; the amount and what Stripe has are untouched. */
export async function noteRefundTrouble(db: Db, refundId: number, trouble: string): Promise<void> {
  await sql(
    db,
    'note_refund_trouble',
    'update refunds set last_error = :trouble, updated_at = clock_timestamp() where id = :refundId',
    { refundId, trouble },
  );
}

/**
 * Notes that Stripe has definitely refused an attempt: the next one has another idempotency key. It has no effect when
 * another process has noted it already.
 */
export async function endRefundAttempt(
  db: Db,
  refund: Pick<RefundRow, 'id' | 'attempt'>,
  refusal: { code: string | undefined; message: string },
): Promise<void> {
  await sql(
    db,
    'end_refund_attempt',
    `update refunds
        set attempt = attempt + 1, refusal_code = :code, last_error = :message, updated_at = clock_timestamp()
      where id = :id and attempt = :attempt`,
    { id: refund.id, attempt: refund.attempt, code: refusal.code ?? null, message: refusal.message },
  );
}

/**
 * Parks a refund that Stripe refuses because of a dispute: it is sent when the dispute has closed. The caller has just
 * recorded Stripe's disputes of the payment; if none of them is open the refund is retried instead.
 * @returns false when it was not parked
 */
export async function parkRefund(db: Db, refundId: number): Promise<boolean> {
  const statement = 'select park_refund(:refundId) as parked';
  const [row] = await sql<{ parked: boolean }>(db, 'park_refund', statement, { refundId });
  return row?.parked === true;
}

/** Gives up a refund that Stripe refuses permanently, or has refused for two weeks, and flags it for staff. */
export async function refuseRefund(db: Db, refundId: number, detail: string): Promise<void> {
  await sql(db, 'refuse_refund', 'select refuse_refund(:refundId, :detail)', { refundId, detail });
}

/** Locks a payment and its booking, in the lock order of the project. */
export async function lockPaymentOfRefund(trx: Db, paymentId: number): Promise<void> {
  await sql(trx, 'lock_payment', 'select lock_payment(:paymentId)', { paymentId });
}

/** Enqueues the message that starts the workflow of a refund. */
export async function enqueueRefund(trx: Db, refundId: number): Promise<void> {
  await sql(trx, 'enqueue_refund', 'select enqueue_refund(:refundId)', { refundId });
}

/** Whether an open dispute holds money of this payment at the customer's bank. */
export async function isDisputed(db: Db, paymentId: number): Promise<boolean> {
  const statement = "select 1 from disputes where payment_id = :paymentId and standing = 'open' limit 1";
  return (await sql(db, 'is_disputed', statement, { paymentId })).length > 0;
}

/** Sends a refused or parked refund again: resolves the flag of staff and enqueues its message. */
export async function reopenRefund(trx: Db, { id, intentId }: RefundRow): Promise<void> {
  await sql(
    trx,
    'reopen_refund',
    `with reopened as (
       update refunds set status = 'pending', updated_at = clock_timestamp() where id = :id returning id
     ), resolved as (
       update flags set resolved_at = clock_timestamp()
        where kind = 'refund_stuck' and subject = :intentId and resolved_at is null
     )
     select enqueue_refund(id) from reopened`,
    { id, intentId },
  );
}

/** Notes which refund has replaced one that failed. */
export async function noteReplacement(trx: Db, refundId: number, replacedBy: number): Promise<void> {
  const statement = 'update refunds set retried_by = :replacedBy where id = :refundId';
  await sql(trx, 'note_replacement', statement, { refundId, replacedBy });
}
