import { randomUUID } from 'node:crypto';
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
  decision: 'kept' | 'returned' | null;
  /** The sum of its refunds, without failed ones. */
  refunding_minor: number;
  /** The amount that banks have withheld or taken for disputes. */
  disputed_minor: number;
  declines: number;
  refunds: BookingRefundRow[];
  disputes: BookingDisputeRow[];
}

export interface BookingRefundRow {
  id: number;
  ref: string;
  status: RefundStatus;
  reason: string;
  amount_minor: number;
  stripe_refund_id: string | null;
  last_error: string | null;
  retried_by: number | null;
}

export interface BookingDisputeRow {
  id: string;
  status: string;
  amount_minor: number;
}

/** Every payment of a booking with its refunds and disputes, oldest first. */
export async function listBookingPayments(db: Db, bookingId: number): Promise<BookingPaymentRow[]> {
  return rows<BookingPaymentRow>(
    db,
    `select p.id, p.ref, p.attempt, p.stripe_payment_intent_id as intent_id, p.status, p.amount_minor,
            p.amount_received_minor, p.currency, p.created_at, p.updated_at, p.decision, p.refunding_minor,
            p.disputed_minor, p.declines, coalesce(p.id = b.confirmed_payment_id, false) as confirms,
            (select coalesce(jsonb_agg(f order by f.id), '[]') from refunds f where f.payment_id = p.id) as refunds,
            (select coalesce(jsonb_agg(d order by d.created_at), '[]') from disputes d where d.payment_id = p.id) as disputes
       from payments p join bookings b on b.id = p.booking_id
      where p.booking_id = ? order by p.id limit 100`,
    [bookingId],
  );
}

export interface TimelineRow {
  at: Date;
  /** `user:7`, `staff:1`, or the name of the part of the service that acted. */
  actor: string;
  actor_email: string | null;
  from_status: BookingStatus | null;
  to_status: BookingStatus | null;
  /** The cause of a change of status, or the action of staff. */
  cause: string;
  detail: string;
}

/** The history of a booking, oldest first: its changes of status and the other actions of staff. */
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

/** In these statuses the booking's payment is decided, so nothing else will refund or use it. */
const refundable: readonly BookingStatus[] = ['confirmed', 'completed', 'cancelled'];

/** How much of this payment staff may refund without changing the booking, in minor units. */
export function refundableMinor(status: BookingStatus, payment: BookingPaymentRow): number {
  if (payment.status !== 'succeeded' || !refundable.includes(status)) return 0;
  return Math.max(0, payment.amount_received_minor - payment.refunding_minor - payment.disputed_minor);
}

/**
 * Refunds what is left of a payment without changing its booking; the refund's own workflow sends it. Holds the
 * booking's lock, like every decision about money.
 * @returns false when nothing is left to refund, or the booking's payment is not decided yet
 */
export async function refundByStaff(
  db: Db,
  input: { bookingRef: string; paymentId: number; actorId: number; reason: string },
): Promise<boolean> {
  return db.transaction(async (trx) => {
    const booking = await lockBooking(trx, input.bookingRef);
    if (!booking || !refundable.includes(booking.status)) return false;
    const payments = await listBookingPayments(trx, booking.id);
    const paid = payments.find(({ id }) => id === input.paymentId);
    const amountMaxMinor = paid ? refundableMinor(booking.status, paid) : 0;
    if (!paid || amountMaxMinor <= 0) return false;
    const reason = `staff:${randomUUID()}` as const;
    const decided = await insertRefund(trx, { paymentId: paid.id, reason, amountMaxMinor });
    if (decided === undefined) return false;
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
