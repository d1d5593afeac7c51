import type { BookingStatus } from '../../../domain/booking.ts';
import { lockBooking } from '../../../db/bookings.ts';
import { type Db, rows } from '../../../db/knex.ts';
import { insertRefund } from '../../../db/refunds.ts';
import type { IntentStatus, RefundStatus } from '../../../db/models.ts';
import { noteStaffEvent } from '../../../db/staff-events.ts';

export interface BookingPaymentRow {
  id: number;
  ref: string;
  attempt: number;
  intent_id: string | null;
  status: IntentStatus;
  amount_minor: number;
  amount_received_minor: number;
  currency: string;
  created_at: Date;
  updated_at: Date;
  confirms: boolean;
  refund_status: RefundStatus | null;
  refund_purpose: string | null;
  refund_amount_minor: number | null;
  refund_id: string | null;
  refund_error: string | null;
  refund_created_at: Date | null;
}

/** Every payment of a booking with its refund, oldest first. */
export async function listBookingPayments(db: Db, bookingId: number): Promise<BookingPaymentRow[]> {
  return rows<BookingPaymentRow>(
    db,
    `select p.id, p.ref, p.attempt, p.stripe_payment_intent_id as intent_id, p.status, p.amount_minor,
            p.amount_received_minor, p.currency, p.created_at, p.updated_at,
            coalesce(p.id = b.confirmed_payment_id, false) as confirms,
            f.status as refund_status, f.purpose as refund_purpose, f.amount_minor as refund_amount_minor,
            f.stripe_refund_id as refund_id, f.last_error as refund_error, f.created_at as refund_created_at
       from payments p join bookings b on b.id = p.booking_id left join refunds f on f.payment_id = p.id
      where p.booking_id = ? order by p.id limit 100`,
    [bookingId],
  );
}

export interface TimelineRow {
  at: Date;
  /** `user:7`, `staff:1`, or the part of the service that acted. */
  actor: string;
  actor_email: string | null;
  from_status: BookingStatus | null;
  to_status: BookingStatus | null;
  /** The cause of a move, or what staff did. */
  cause: string;
  detail: string;
}

/** Who did what to a booking, oldest first: its moves, and what staff did beside them. */
export async function readTimeline(db: Db, bookingId: number): Promise<TimelineRow[]> {
  return rows<TimelineRow>(
    db,
    `select t.*, u.email as actor_email
       from (
         select at, actor, from_status, to_status, cause, '' as detail from booking_events where booking_id = ?
         union all
         select at, 'staff:' || actor_id, null, null, action, detail from staff_events
          where subject_kind = 'booking' and subject_id = ?
       ) t
       left join users u
         on u.id = case when t.actor ~ '^(user|staff):[0-9]{1,9}$' then split_part(t.actor, ':', 2)::integer end
      order by t.at limit 500`,
    [bookingId, bookingId],
  );
}

/** A booking in these statuses has its money decided: nothing else will refund or use it. */
const refundable: readonly BookingStatus[] = ['confirmed', 'completed', 'cancelled'];

/** May staff send this payment back while its booking stays as it is? */
export function canRefund(status: BookingStatus, payment: BookingPaymentRow): boolean {
  const paid = payment.status === 'succeeded' && payment.amount_received_minor > 0;
  return paid && refundable.includes(status) && payment.refund_status === null;
}

/**
 * Decides that a payment goes back in full while its booking stays as it is; the refund's own workflow sends it.
 * Under the booking's lock and once per payment, like every decision on money.
 * @returns false when there is nothing to give back, or the booking's money is still to be decided
 */
export async function refundByStaff(
  db: Db,
  input: { bookingRef: string; paymentId: number; actorId: number; reason: string },
): Promise<boolean> {
  return db.transaction(async (trx) => {
    const booking = await lockBooking(trx, input.bookingRef);
    if (!booking || !refundable.includes(booking.status)) return false;
    const [paid] = await rows<{ received: number; currency: string }>(
      trx,
      `select amount_received_minor as received, currency from payments
        where id = ? and booking_id = ? and status = 'succeeded' and amount_received_minor > 0 for no key update`,
      [input.paymentId, booking.id],
    );
    if (!paid) return false;
    const decided = await insertRefund(trx, {
      paymentId: input.paymentId,
      purpose: 'staff',
      amountMinor: paid.received,
      currency: paid.currency,
    });
    if (!decided) return false;
    await noteStaffEvent(trx, {
      actorId: input.actorId,
      action: 'refunded',
      subjectKind: 'booking',
      subjectId: booking.id,
      detail: input.reason,
    });
    return true;
  });
}
