import { randomUUID } from 'node:crypto';
import { lockBooking } from '../../db/bookings.ts';
import { type Db, rows } from '../../db/knex.ts';
import { findRefund, insertRefund, type RefundRow } from '../../db/refunds.ts';
import { noteStaffEvent } from '../../db/staff-events.ts';
import { Problem } from '../../domain/problems.ts';
import { unreachable } from '../../domain/unreachable.ts';

/**
 * Sends a refund again on staff's request: one that Stripe has refused, or one that the bank has returned, which is replaced
 * by another. A refund that is still being tried gets a workflow again, in case it was lost.
 * @returns the refund that is sent now
 * @throws Problem refund_not_found, refund_not_retryable with what has become of it
 */
export async function retryRefund(
  db: Db,
  { refundId, actorId }: { refundId: number; actorId: number },
): Promise<RefundRow> {
  return db.transaction(async (trx) => {
    const found = await findRefund(trx, { id: refundId });
    if (!found) throw new Problem('refund_not_found');
    await lockBooking(trx, found.bookingRef);
    await rows(trx, 'select lock_payment(?)', [found.paymentId]);
    const refund = (await findRefund(trx, { id: refundId })) ?? found;
    const sentId = await sendAgain(trx, refund);
    const subject = { subjectKind: 'booking', subjectId: refund.bookingId } as const;
    await noteStaffEvent(trx, { ...subject, actorId, action: 'refund_retried', detail: `Refund ${sentId}.` });
    return (await findRefund(trx, { id: sentId })) ?? refund;
  });
}

const notRetryable = (detail: string) => new Problem('refund_not_retryable', { detail });

/** @returns the id of the refund that is sent */
async function sendAgain(trx: Db, refund: RefundRow): Promise<number> {
  switch (refund.status) {
    case 'pending':
      await rows(trx, 'select enqueue_refund(?)', [refund.id]);
      return refund.id;
    case 'refused':
    case 'parked':
      return sendWaiting(trx, refund);
    case 'failed':
      return replaceFailed(trx, refund);
    case 'submitted':
      throw notRetryable('Stripe has this refund on its way; it was not sent again.');
    case 'succeeded':
      throw notRetryable('This refund has arrived at the customer.');
    case 'dropped':
      throw notRetryable('This refund is not needed: the money has gone back another way.');
    default:
      return unreachable(refund.status);
  }
}

async function sendWaiting(trx: Db, { id, paymentId, intentId }: RefundRow): Promise<number> {
  const open = await rows(trx, "select 1 from disputes where payment_id = ? and standing = 'open' limit 1", [
    paymentId,
  ]);
  if (open.length > 0) {
    throw notRetryable('The customer disputes this payment. The refund is sent when the dispute has closed.');
  }
  await rows(
    trx,
    `with sent as (
       update refunds set status = 'pending', updated_at = clock_timestamp() where id = ? returning id
     ), resolved as (
       update flags set resolved_at = clock_timestamp()
        where kind = 'refund_stuck' and subject = ? and resolved_at is null
     )
     select enqueue_refund(id) from sent`,
    [id, intentId],
  );
  return id;
}

/** Replaces a refund that the bank has returned by another, once. The failed one stays as Stripe has it. */
async function replaceFailed(trx: Db, refund: RefundRow): Promise<number> {
  if (refund.retried) throw notRetryable('This refund was made anew already.');
  const newId = await insertRefund(trx, {
    paymentId: refund.paymentId,
    reason: `staff:${randomUUID()}`,
    amountMaxMinor: refund.amountMinor,
  });
  if (newId === undefined) throw notRetryable('Nothing is left of this payment to give back.');
  await rows(trx, 'update refunds set retried_by = ? where id = ?', [newId, refund.id]);
  return newId;
}
