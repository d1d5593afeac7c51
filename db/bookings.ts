import type { BookingStatus, PaymentStatus } from '../domain/booking.ts';
import { latestBy } from './clocks.ts';
import { type Db, prepared } from './knex.ts';
import type { IntentStatus, RefundStatus } from './models.ts';
import { sql } from './sql.ts';

/** A booking with the names that people know it by: the view `booking_rows` (db/schema/bookings.sql). */
export interface BookingRow {
  id: number;
  ref: string;
  user_id: number;
  user_email: string;
  room_id: number;
  room_name: string;
  booking_date: string;
  start_time: string;
  end_time: string;
  starts_at: Date;
  ends_at: Date;
  time_zone: string;
  number_of_slots: number;
  guest_count: number;
  special_requests: string | null;
  amount_minor: number;
  currency: string;
  status: BookingStatus;
  payment_status: PaymentStatus;
  hold_expires_at: Date;
  /** By the database's clock; negative once it has lapsed. */
  hold_seconds_left: number;
  workflow_id: string;
  created_at: Date;
}

/** A booking with the payment that counts: the one that confirmed it, else the newest. */
export interface BookingDetailRow extends BookingRow, PaymentOfBooking {}

interface PaymentOfBooking {
  payment_intent_id: string | null;
  payment_intent_status: IntentStatus | null;
  payment_ref: string | null;
  /** Currency of the money received, which differs from the booking's where the payment did not match. */
  payment_currency: string | null;
  /** The sum of refunds that have reached the customer, whether we or somebody at Stripe made them. */
  refunded_minor: number;
  /** The sum that banks hold because of open disputes, or have taken for lost ones. */
  disputed_minor: number;
  /** Oldest first, without those that turned out not to be needed. */
  refunds: RefundSummary[];
}

export interface RefundSummary {
  id: number;
  status: RefundStatus;
  amount_minor: number;
  /** ISO 8601. */
  created_at: string;
}

/** The payment fields of a booking that has no payment. */
export const noPayment: PaymentOfBooking = {
  payment_intent_id: null,
  payment_intent_status: null,
  payment_ref: null,
  payment_currency: null,
  refunded_minor: 0,
  disputed_minor: 0,
  refunds: [],
};

/** One booking, by its public id. */
export async function findBooking(db: Db, id: number): Promise<BookingDetailRow | undefined> {
  const found = await prepared<BookingDetailRow>(
    db,
    'find_booking',
    `select b.*, p.stripe_payment_intent_id as payment_intent_id, p.status as payment_intent_status,
            p.ref as payment_ref, p.currency as payment_currency, coalesce(f.refunded_minor, 0) as refunded_minor,
            coalesce(p.disputed_minor, 0) as disputed_minor, coalesce(f.refunds, '[]') as refunds
       from booking_rows b
       left join lateral (
         select * from payments p where p.booking_id = b.id
          order by (p.id = b.confirmed_payment_id) desc nulls last, p.id desc limit 1
       ) p on true
       left join lateral (
         select sum(f.amount_minor) filter (where f.status = 'succeeded')::integer as refunded_minor,
                jsonb_agg(jsonb_build_object('id', f.id, 'status', f.status, 'amount_minor', f.amount_minor,
                                             'created_at', f.created_at) order by f.id)
                  filter (where f.status <> 'dropped') as refunds
           from refunds f where f.payment_id = p.id
       ) f on true
      where b.id = ?`,
    [id],
  );
  return found[0];
}

export interface Move {
  bookingId: number;
  to: BookingStatus;
  actor: string;
  cause: string;
}

/**
 * Moves a booking along the table of legal moves and writes its event (db/schema/move-booking.sql): a compare-and-set.
 * @returns false when another transaction moved it first
 */
export async function moveBooking(db: Db, move: Move): Promise<boolean> {
  const [row] = await sql<{ moved: boolean }>(
    db,
    'move_booking',
    'select move_booking(:bookingId, :to, :actor, :cause) as moved',
    { ...move },
  );
  return row?.moved === true;
}

/** Locks a booking, in the order room, booking, and returns the columns that decisions depend on. */
export async function lockBooking(trx: Db, bookingRef: string): Promise<LockedBooking | undefined> {
  await sql(
    trx,
    'lock_room_of_booking',
    'select 1 from rooms where id = (select room_id from bookings where ref = :bookingRef) for no key update',
    { bookingRef },
  );
  const [booking] = await sql<LockedBooking>(
    trx,
    'lock_booking',
    `select b.id, b.status, lower(b.during) as starts_at, coalesce(b.latest_start, lower(b.during)) as latest_start,
            r.is_available as is_room_available, clock_timestamp() as now
       from bookings b join rooms r on r.id = b.room_id
      where b.ref = :bookingRef for no key update of b`,
    { bookingRef },
  );
  return booking;
}

export interface LockedBooking {
  id: number;
  status: BookingStatus;
  startsAt: Date;
  /** The latest start that the booking has had: a cancellation is judged by it. */
  latestStart: Date;
  isRoomAvailable: boolean;
  /** The database's clock. */
  now: Date;
}

/** Moves the confirmed bookings whose end has passed to `completed`, at most `limit`. @returns how many */
export async function completeStays(db: Db, options: { actor: string; limit: number }): Promise<number> {
  const done = await sql<{ id: number }>(
    db,
    'complete_stays',
    `with due as (
       select id from bookings
        where status = 'confirmed' and upper(during) <= (select least(clock_timestamp(), :latest::timestamptz))
        order by upper(during) limit :limit for no key update skip locked
     )
     select id from due where move_booking(id, 'completed', :actor, 'stay_ended')`,
    { ...options, latest: latestBy('process') },
  );
  return done.length;
}

/** Moves one confirmed booking to `completed` if its end has passed. */
export async function completeStayIfOver(
  db: Db,
  { bookingRef, actor }: { bookingRef: string; actor: string },
): Promise<void> {
  await sql(
    db,
    'complete_stay_if_over',
    `with due as (
       select id from bookings
        where ref = :bookingRef and status = 'confirmed' and upper(during) <= (select clock_timestamp())
          for no key update skip locked
     )
     select id from due where move_booking(id, 'completed', :actor, 'stay_ended')`,
    { bookingRef, actor },
  );
}
