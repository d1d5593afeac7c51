import type { RefundReason } from '../../../domain/booking.ts';
import type { IntentStatus, RefundStatus, Room } from '../../../db/models.ts';
import type { BookingRow } from '../../../db/bookings.ts';
import type { Db } from '../../../db/knex.ts';
import { applySearch, beginsWith, type ListSource } from './list.ts';

/** The queries of the panel's lists; web/staff/pages shows them. */

export type BookingListRow = Omit<BookingRow, 'starts_at' | 'ends_at' | 'hold_seconds_left'>;

const usersByEmail = (db: Db, prefix: string) =>
  db('users').select('id').where('email', 'like', beginsWith(prefix.toLowerCase()));

export const bookingList: ListSource<BookingListRow> = {
  id: 'b.id',
  columns: ['b.*'],
  sorts: { id: 'b.id', date: 'b.booking_date' },
  find(db, search, filters) {
    const query = db('bookings as b');
    const withIntent = (intentId: string) =>
      db('payments').select('booking_id').where('stripe_payment_intent_id', intentId);
    applySearch(query, search, {
      id: (bookings, id) => void bookings.where('b.id', id),
      uuid: (bookings, ref) => void bookings.where('b.ref', ref),
      stripeId: { pi_: (bookings, intentId) => void bookings.whereIn('b.id', withIntent(intentId)) },
      text: (bookings, text) => void bookings.whereIn('b.user_id', usersByEmail(db, text)),
    });
    if (filters['status']) query.where('b.status', filters['status']);
    if (filters['payment']) query.where('b.payment_status', filters['payment']);
    if (filters['room']) query.where('b.room_id', Number(filters['room']));
    if (filters['room_name']) {
      const named = db('rooms').select('id').where('name', 'ilike', beginsWith(filters['room_name']));
      query.whereIn('b.room_id', named);
    }
    if (filters['user']) query.where('b.user_id', Number(filters['user']));
    if (filters['from']) query.where('b.booking_date', '>=', filters['from']);
    if (filters['to']) query.where('b.booking_date', '<=', filters['to']);
    return query;
  },
  join: (page) =>
    page
      .join('users as u', 'u.id', 'page.user_id')
      .join('rooms as r', 'r.id', 'page.room_id')
      .select('r.name as room_name', 'u.email as user_email'),
};

export interface PaymentListRow {
  id: number;
  booking_id: number;
  user_email: string;
  attempt: number;
  stripe_payment_intent_id: string | null;
  amount_minor: number;
  amount_received_minor: number;
  currency: string;
  status: IntentStatus;
  /** The sum of the refunds that have reached the customer. */
  refunded_minor: number;
  /** The status of the latest refund. */
  refund_status: RefundStatus | null;
  refund_reason: RefundReason | null;
  created_at: Date;
}

export const paymentList: ListSource<PaymentListRow> = {
  id: 'p.id',
  columns: ['p.*'],
  sorts: { id: 'p.id', booking: 'p.booking_id' },
  find(db, search, filters) {
    const query = db('payments as p');
    const withRefund = (refundId: string) =>
      db('refunds').select('payment_id').where('stripe_refund_id', refundId);
    const bookingsOf = (email: string) =>
      db('bookings').select('id').whereIn('user_id', usersByEmail(db, email));
    applySearch(query, search, {
      id: (payments, id) => void payments.where('p.booking_id', id),
      uuid: (payments, ref) => void payments.where('p.ref', ref),
      stripeId: {
        pi_: (payments, intentId) => void payments.where('p.stripe_payment_intent_id', intentId),
        re_: (payments, refundId) => void payments.whereIn('p.id', withRefund(refundId)),
      },
      text: (payments, text) => void payments.whereIn('p.booking_id', bookingsOf(text)),
    });
    if (filters['status']) query.where('p.status', filters['status']);
    if (filters['refund'] === 'none') {
      query.whereNotExists(db('refunds as f').select('f.id').whereRaw('?? = ??', ['f.payment_id', 'p.id']));
    } else if (filters['refund']) {
      query.whereIn('p.id', db('refunds').select('payment_id').where('status', filters['refund']));
    }
    return query;
  },
  join: (page) =>
    page
      .join('bookings as b', 'b.id', 'page.booking_id')
      .join('users as u', 'u.id', 'b.user_id')
      .joinRaw(
        `left join lateral (
           select sum(f.amount_minor) filter (where f.status = 'succeeded')::integer as refunded_minor,
                  (array_agg(f.status order by f.id desc))[1] as refund_status,
                  (array_agg(f.reason order by f.id desc))[1] as refund_reason
             from refunds f where f.payment_id = page.id and f.status <> 'dropped'
         ) f on true`,
      )
      .select('u.email as user_email', 'f.refund_status', 'f.refund_reason')
      .select({ refunded_minor: page.client.raw('coalesce(f.refunded_minor, 0)') }),
};

export interface UserListRow {
  id: number;
  email: string;
  is_staff: boolean;
  is_active: boolean;
  created_at: Date;
}

export const userList: ListSource<UserListRow> = {
  id: 'u.id',
  columns: ['u.id', 'u.email', 'u.is_staff', 'u.is_active', 'u.created_at'],
  sorts: { id: 'u.id', email: 'u.email' },
  find(db, search, filters) {
    const query = db('users as u');
    applySearch(query, search, {
      id: (users, id) => void users.where('u.id', id),
      text: (users, text) => void users.where('u.email', 'like', beginsWith(text.toLowerCase())),
    });
    if (filters['role']) query.where('u.is_staff', filters['role'] === 'staff');
    if (filters['state']) query.where('u.is_active', filters['state'] === 'active');
    return query;
  },
};

export const roomList: ListSource<Room> = {
  id: 'r.id',
  columns: ['r.*'],
  sorts: { id: 'r.id', name: 'r.name', price: 'r.price_minor', capacity: 'r.capacity' },
  find(db, search, filters) {
    const query = db('rooms as r');
    applySearch(query, search, {
      id: (rooms, id) => void rooms.where('r.id', id),
      text: (rooms, text) => void rooms.where('r.name', 'ilike', `%${beginsWith(text)}`),
    });
    if (filters['state']) query.where('r.is_available', filters['state'] === 'available');
    return query;
  },
};

export interface FlagListRow {
  id: number;
  kind: string;
  subject: string;
  detail: string;
  booking_id: number | null;
  /** How often it has happened since it was raised, and when last. */
  occurrences: number;
  last_at: Date;
  created_at: Date;
  resolved_at: Date | null;
}

export const flagList: ListSource<FlagListRow> = {
  id: 'g.id',
  columns: ['g.*'],
  sorts: { id: 'g.id' },
  find(db, search, filters) {
    const query = db('flags as g');
    applySearch(query, search, {
      id: (flags, bookingId) => void flags.where('g.booking_id', bookingId),
      text: (flags, subject) => void flags.where('g.subject', subject),
    });
    if (filters['kind']) query.where('g.kind', filters['kind']);
    if (filters['state'] === 'open') query.whereNull('g.resolved_at');
    if (filters['state'] === 'resolved') query.whereNotNull('g.resolved_at');
    return query;
  },
};
