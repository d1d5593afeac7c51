import type { RefundReason } from '../domain/booking.ts';
import { type Db, prepared, rows } from './knex.ts';
import type { RefundStatus } from './models.ts';

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
  f.id, f.ref, f.payment_id as "paymentId", p.ref as "paymentRef", f.booking_id as "bookingId", b.ref as "bookingRef",
  p.stripe_payment_intent_id as "intentId", f.reason, f.amount_minor as "amountMinor", f.currency, f.status, f.attempt,
  f.retried_by is not null as retried, f.last_error as "lastError", f.created_at as "createdAt"`;
const refundTables =
  'refunds f join payments p on p.id = f.payment_id join bookings b on b.id = f.booking_id';

/**
 * Decides that what is left of a payment goes back, once for each reason, and leaves the message that starts its
 * workflow (db/schema/refunds.sql). Called inside the transaction that decides, under the booking's lock.
 * @returns the refund's id; undefined when nothing is left, or when there is a refund for this reason
 */
export async function insertRefund(
  trx: Db,
  refund: { paymentId: number; reason: RefundReason; amountMaxMinor?: number },
): Promise<number | undefined> {
  const [row] = await rows<{ id: number | null }>(trx, 'select refund_payment(?, ?, ?) as id', [
    refund.paymentId,
    refund.reason,
    refund.amountMaxMinor ?? null,
  ]);
  return row?.id ?? undefined;
}

/** Decides that all that is left of the money for a booking goes back, since the booking is cancelled. */
export async function refundAllPaid(trx: Db, bookingId: number): Promise<void> {
  const paid = await rows<{ id: number }>(
    trx,
    "select id from payments where booking_id = ? and status = 'succeeded' order by id",
    [bookingId],
  );
  for (const { id } of paid) await insertRefund(trx, { paymentId: id, reason: 'cancelled' });
}

/** A refund by the name that Temporal and Stripe know, or by its public id. */
export async function findRefund(
  db: Db,
  by: { refundRef: string } | { id: number },
): Promise<RefundRow | undefined> {
  const [column, value] = 'id' in by ? ['id', by.id] : ['ref', by.refundRef];
  const [row] = await rows<RefundRow>(
    db,
    `select ${refundColumns} from ${refundTables} where f.${column} = ?`,
    [value],
  );
  return row;
}

/** The refunds of a booking, oldest first. */
export function listRefunds(db: Db, bookingId: number): Promise<RefundRow[]> {
  return rows(
    db,
    `select ${refundColumns} from ${refundTables} where f.booking_id = ? order by f.id limit 200`,
    [bookingId],
  );
}

/** Notes why a refund has not gone through yet, for staff to see; the amount and what Stripe has are untouched. */
export async function noteRefundTrouble(db: Db, refundId: number, trouble: string): Promise<void> {
  await rows(db, 'update refunds set last_error = ?, updated_at = clock_timestamp() where id = ?', [
    trouble,
    refundId,
  ]);
}

/**
 * Notes that Stripe has refused an attempt for certain: the next one has another idempotency key. Nothing when somebody
 * else has noted it already.
 */
export async function endRefundAttempt(
  db: Db,
  refund: Pick<RefundRow, 'id' | 'attempt'>,
  refusal: { code: string | undefined; message: string },
): Promise<void> {
  await rows(
    db,
    `update refunds set attempt = attempt + 1, refusal_code = ?, last_error = ?, updated_at = clock_timestamp()
      where id = ? and attempt = ?`,
    [refusal.code ?? null, refusal.message, refund.id, refund.attempt],
  );
}

/**
 * Parks a refund that Stripe refuses because of a dispute: it is sent when the dispute has closed. Stripe's disputes of
 * the payment have been recorded just before; where none of them is open the refund stays to be tried.
 * @returns false when it was not parked
 */
export async function parkRefund(db: Db, refundId: number): Promise<boolean> {
  const [row] = await prepared<{ parked: boolean }>(db, 'park_refund', 'select park_refund(?) as parked', [
    refundId,
  ]);
  return row?.parked === true;
}

/** Gives a refund up that Stripe refuses for good, or has refused for two weeks. A flag asks staff to see to it. */
export async function refuseRefund(db: Db, refundId: number, detail: string): Promise<void> {
  await rows(db, 'select refuse_refund(?, ?)', [refundId, detail]);
}
