import type { RefundPurpose } from '../domain/booking.ts';
import { lockBooking } from './bookings.ts';
import { type Db, rows } from './knex.ts';
import type { RefundStatus } from './models.ts';
import { noteStaffEvent } from './staff-events.ts';

export interface RefundRow {
  id: number;
  paymentId: number;
  paymentRef: string;
  bookingId: number;
  bookingRef: string;
  intentId: string;
  purpose: RefundPurpose;
  amountMinor: number;
  status: RefundStatus;
  createdAt: Date;
}

/**
 * Decides that a payment goes back: the row, once per payment, and the message that starts its workflow. Called
 * inside the transaction that decides.
 * @returns false when the payment has a refund already
 */
export async function insertRefund(
  trx: Db,
  refund: { paymentId: number; purpose: RefundPurpose; amountMinor: number; currency: string },
): Promise<boolean> {
  const made = await rows(
    trx,
    `with made as (
       insert into refunds (payment_id, purpose, amount_minor, currency) values (?, ?, ?, ?)
       on conflict (payment_id) do nothing returning payment_id
     )
     select leave_message('refund', jsonb_build_object('paymentRef', p.ref, 'bookingRef', b.ref))
       from made join payments p on p.id = made.payment_id join bookings b on b.id = p.booking_id`,
    [refund.paymentId, refund.purpose, refund.amountMinor, refund.currency],
  );
  return made.length > 0;
}

/**
 * Decides that all money that came for a booking goes back, since the booking is cancelled.
 * @returns how many payments of it had not been decided to go back before
 */
export async function refundAllPaid(trx: Db, bookingId: number): Promise<number> {
  const paid = await rows<{ paymentId: number; amountMinor: number; currency: string }>(
    trx,
    `select id as "paymentId", amount_received_minor as "amountMinor", currency from payments
      where booking_id = ? and status = 'succeeded'`,
    [bookingId],
  );
  let decided = 0;
  for (const payment of paid) {
    if (await insertRefund(trx, { ...payment, purpose: 'cancelled' })) decided++;
  }
  return decided;
}

/** Staff's word that what was kept of a cancelled booking goes back all the same. Nothing when it does already. */
export async function refundCancelled(
  db: Db,
  { bookingRef, actorId }: { bookingRef: string; actorId: number },
): Promise<void> {
  await db.transaction(async (trx) => {
    const booking = await lockBooking(trx, bookingRef);
    if (booking?.status !== 'cancelled' || (await refundAllPaid(trx, booking.id)) === 0) return;
    const detail = 'The booking had been cancelled too late for its money to go back.';
    const subject = { subjectKind: 'booking', subjectId: booking.id } as const;
    await noteStaffEvent(trx, { ...subject, actorId, action: 'refunded', detail });
  });
}

/** The refund of a payment, by the payment's ref. */
export async function findRefund(db: Db, paymentRef: string): Promise<RefundRow | undefined> {
  const [row] = await rows<RefundRow>(
    db,
    `select f.id, f.payment_id as "paymentId", p.ref as "paymentRef", p.booking_id as "bookingId",
            b.ref as "bookingRef", p.stripe_payment_intent_id as "intentId", f.purpose,
            f.amount_minor as "amountMinor", f.status,
            f.created_at as "createdAt"
       from refunds f join payments p on p.id = f.payment_id join bookings b on b.id = p.booking_id
      where p.ref = ?`,
    [paymentRef],
  );
  return row;
}

export interface RefundFact {
  stripeRefundId: string;
  status: 'submitted' | 'succeeded' | 'failed';
  error?: string | null;
}

/**
 * Records what Stripe says of a refund. `failed` may follow `succeeded` (a bank can return the money later), so it
 * overrides; nothing overrides `failed`, which is for a person. The booking shows `refunded` once the money that
 * counted for it went back, and no longer when it has come back to us.
 */
export async function recordRefund(db: Db, paymentId: number, fact: RefundFact): Promise<void> {
  await rows(
    db,
    `with told as (
       update refunds set status = ?, stripe_refund_id = coalesce(stripe_refund_id, ?), last_error = ?,
              updated_at = clock_timestamp()
        where payment_id = ? and status <> 'failed' and not (status = 'succeeded' and ? = 'submitted')
       returning payment_id, status
     ), shown as (
       update bookings b
          set payment_status = case told.status when 'succeeded' then 'refunded' else 'succeeded' end,
              updated_at = clock_timestamp()
         from told join payments p on p.id = told.payment_id
        where (told.status = 'succeeded' or (told.status = 'failed' and b.payment_status = 'refunded'))
          and b.id = p.booking_id
          and coalesce(b.confirmed_payment_id, p.id) = p.id
     )
     select raise_flag('refund_failed', ?,
              'Stripe could not return the money; it is back on the account balance.', p.booking_id)
       from told join payments p on p.id = told.payment_id where told.status = 'failed'`,
    [fact.status, fact.stripeRefundId, fact.error ?? null, paymentId, fact.status, fact.stripeRefundId],
  );
}

/** Notes why a refund has not gone through yet, for staff to see. */
export async function noteRefundTrouble(db: Db, refundId: number, trouble: string): Promise<void> {
  await rows(db, 'update refunds set last_error = ?, updated_at = clock_timestamp() where id = ?', [
    trouble,
    refundId,
  ]);
}
