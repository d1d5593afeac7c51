import { intentStatuses, refundStatuses } from '../../../db/models.ts';
import { bookingList, type BookingListRow, paymentList, type PaymentListRow } from '../queries/lists.ts';
import { listRoomNames } from '../queries/rooms.ts';
import { bookingStatuses, paymentStatuses } from '../../../domain/booking.ts';
import { toMajor } from '../../../domain/money.ts';
import type { ListView } from '../list-page.tsx';
import type { Choice, Filter } from '../list-query.ts';
import { Badge, bookingLink, formatMoney, Instant, plain, shortTime } from '../parts.tsx';

/** The lists of bookings and payments: their columns on the page and in the export, their filters and sorts. */

export const choicesOf = (values: readonly string[]): Choice[] =>
  values.map((value) => ({ value, label: plain(value) }));

/** A choice of rooms, or, where there are too many for one, the beginning of their names. */
function roomFilters(rooms: Awaited<ReturnType<typeof listRoomNames>>): Filter[] {
  if (!rooms)
    return [
      { kind: 'text', name: 'room_name', label: 'Room begins with' },
      { kind: 'id', name: 'room', label: 'Room' },
    ];
  const choices = rooms.map(({ id, name }) => ({ value: String(id), label: name }));
  return [{ kind: 'choice', name: 'room', label: 'Room', choices }];
}

export const bookings: ListView<BookingListRow> = {
  section: 'Bookings',
  path: '/bookings',
  source: bookingList,
  searchHint: 'E-mail, booking number, reference or pi_…',
  sort: { key: 'id', descending: true },
  filters: async (db) => [
    { kind: 'choice', name: 'status', label: 'Status', choices: choicesOf(bookingStatuses) },
    { kind: 'choice', name: 'payment', label: 'Payment', choices: choicesOf(paymentStatuses) },
    ...roomFilters(await listRoomNames(db)),
    { kind: 'date', name: 'from', label: 'From' },
    { kind: 'date', name: 'to', label: 'To' },
    { kind: 'id', name: 'user', label: 'User' },
  ],
  columns: [
    {
      key: 'id',
      title: 'Booking',
      sort: 'id',
      cell: (row) => bookingLink(row.id),
      csv: { booking_id: (row) => row.id, ref: (row) => row.ref },
    },
    {
      key: 'date',
      title: 'Date',
      sort: 'date',
      cell: (row) => row.booking_date,
      csv: { date: (row) => row.booking_date },
    },
    {
      key: 'time',
      title: 'Time',
      cell: (row) => `${shortTime(row.start_time)}–${shortTime(row.end_time)}`,
      csv: { start: (row) => row.start_time, end: (row) => row.end_time, time_zone: (row) => row.time_zone },
    },
    {
      key: 'room',
      title: 'Room',
      cell: (row) => <a href={`/admin/rooms/${row.room_id}`}>{row.room_name}</a>,
      csv: { room: (row) => row.room_name },
    },
    {
      key: 'user',
      title: 'Customer',
      cell: (row) => <a href={`/admin/users/${row.user_id}`}>{row.user_email}</a>,
      csv: { customer: (row) => row.user_email, guests: (row) => row.guest_count },
    },
    {
      key: 'amount',
      title: 'Amount',
      numeric: true,
      cell: (row) => formatMoney(row.amount_minor, row.currency),
      csv: { amount: (row) => toMajor(row.amount_minor, row.currency), currency: (row) => row.currency },
    },
    {
      key: 'status',
      title: 'Status',
      cell: (row) => <Badge status={row.status} />,
      csv: { status: (row) => row.status },
    },
    {
      key: 'payment',
      title: 'Payment',
      cell: (row) => <Badge status={row.payment_status} />,
      csv: { payment: (row) => row.payment_status, created_at: (row) => row.created_at },
    },
  ],
};

export const payments: ListView<PaymentListRow> = {
  section: 'Payments',
  path: '/payments',
  source: paymentList,
  searchHint: 'E-mail, booking number, pi_… or re_…',
  sort: { key: 'id', descending: true },
  filters: [
    { kind: 'choice', name: 'status', label: 'Status', choices: choicesOf(intentStatuses) },
    {
      kind: 'choice',
      name: 'refund',
      label: 'Refund',
      choices: choicesOf(['none', ...refundStatuses]),
    },
  ],
  columns: [
    { key: 'id', title: 'Payment', sort: 'id', cell: (row) => row.id, csv: { payment_id: (row) => row.id } },
    {
      key: 'booking',
      title: 'Booking',
      sort: 'booking',
      cell: (row) => bookingLink(row.booking_id),
      csv: { booking_id: (row) => row.booking_id },
    },
    {
      key: 'user',
      title: 'Customer',
      cell: (row) => row.user_email,
      csv: { customer: (row) => row.user_email },
    },
    {
      key: 'intent',
      title: 'PaymentIntent',
      cell: (row) => <code>{row.stripe_payment_intent_id ?? '–'}</code>,
      csv: { payment_intent: (row) => row.stripe_payment_intent_id, attempt: (row) => row.attempt },
    },
    {
      key: 'amount',
      title: 'Amount',
      numeric: true,
      cell: (row) => formatMoney(row.amount_minor, row.currency),
      csv: {
        amount: (row) => toMajor(row.amount_minor, row.currency),
        received: (row) => toMajor(row.amount_received_minor, row.currency),
        currency: (row) => row.currency,
      },
    },
    {
      key: 'status',
      title: 'Status',
      cell: (row) => <Badge status={row.status} />,
      csv: { status: (row) => row.status },
    },
    {
      key: 'refund',
      title: 'Refund',
      cell: (row) =>
        row.refund_status ? (
          <>
            <Badge status={row.refund_status} />{' '}
            {row.refunded_minor > 0 && formatMoney(row.refunded_minor, row.currency)}
          </>
        ) : (
          '–'
        ),
      csv: {
        refund: (row) => row.refund_status,
        refund_reason: (row) => row.refund_reason,
        refunded: (row) => toMajor(row.refunded_minor, row.currency),
      },
    },
    {
      key: 'created',
      title: 'Created',
      cell: (row) => <Instant at={row.created_at} />,
      csv: { created_at: (row) => row.created_at },
    },
  ],
};
