import { bookingStatuses, paymentStatuses } from '../../../domain/booking.ts';
import { flagKinds } from '../../../db/flags.ts';
import { intentStatuses } from '../../../db/models.ts';
import {
  bookingList,
  type BookingListRow,
  flagList,
  type FlagListRow,
  paymentList,
  type PaymentListRow,
  roomList,
  userList,
  type UserListRow,
} from '../../../db/panel/lists.ts';
import type { Room } from '../../../db/models.ts';
import { listRoomNames } from '../../../db/panel/rooms.ts';
import { toMajor } from '../../../domain/money.ts';
import type { Deps } from '../../deps.ts';
import { type ListView, listRoutes } from '../list-page.tsx';
import type { Choice } from '../list-query.ts';
import { Badge, formatMoney, Instant, shortTime } from '../parts.tsx';
import type { PanelRoute } from '../visit.ts';

/** Every list of the panel: its columns on the page and in the export, its filters and sorts. */
export function listPages(deps: Deps): PanelRoute[] {
  return [
    ...listRoutes(deps, bookings),
    ...listRoutes(deps, payments),
    ...listRoutes(deps, users),
    ...listRoutes(deps, rooms),
    ...listRoutes(deps, flags),
  ];
}

const choicesOf = (values: readonly string[]): Choice[] =>
  values.map((value) => ({ value, label: value.replaceAll('_', ' ') }));

const bookingLink = (id: number) => <a href={`/admin/bookings/${id}`}>#{id}</a>;

const bookings: ListView<BookingListRow> = {
  section: 'Bookings',
  path: '/bookings',
  source: bookingList,
  searchHint: 'E-mail, number, reference or pi_…',
  sort: { key: 'id', descending: true },
  filters: async (db) => [
    { kind: 'choice', name: 'status', label: 'Status', choices: choicesOf(bookingStatuses) },
    { kind: 'choice', name: 'payment', label: 'Payment', choices: choicesOf(paymentStatuses) },
    {
      kind: 'choice',
      name: 'room',
      label: 'Room',
      choices: (await listRoomNames(db)).map(({ id, name }) => ({ value: String(id), label: name })),
    },
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

const payments: ListView<PaymentListRow> = {
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
      choices: choicesOf(['none', 'pending', 'submitted', 'succeeded', 'failed']),
    },
  ],
  columns: [
    { key: 'id', title: 'Payment', sort: 'id', cell: (row) => row.id, csv: { payment_id: (row) => row.id } },
    {
      key: 'booking',
      title: 'Booking',
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
      title: 'At Stripe',
      cell: (row) => <code>{row.intent_id ?? '–'}</code>,
      csv: { payment_intent: (row) => row.intent_id, attempt: (row) => row.attempt },
    },
    {
      key: 'amount',
      title: 'Amount',
      sort: 'amount',
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
      cell: (row) => (row.refund_status ? <Badge status={row.refund_status} /> : '–'),
      csv: { refund: (row) => row.refund_status, refund_purpose: (row) => row.refund_purpose },
    },
    {
      key: 'created',
      title: 'Created',
      cell: (row) => <Instant at={row.created_at} />,
      csv: { created_at: (row) => row.created_at },
    },
  ],
};

const users: ListView<UserListRow> = {
  section: 'Users',
  path: '/users',
  source: userList,
  searchHint: 'Beginning of the e-mail, or number',
  sort: { key: 'id', descending: true },
  filters: [
    {
      kind: 'choice',
      name: 'role',
      label: 'Role',
      choices: [
        { value: 'staff', label: 'Staff' },
        { value: 'guest', label: 'Guest' },
      ],
    },
    { kind: 'choice', name: 'state', label: 'State', choices: choicesOf(['active', 'inactive']) },
  ],
  columns: [
    { key: 'id', title: 'User', sort: 'id', cell: (row) => `#${row.id}`, csv: { user_id: (row) => row.id } },
    {
      key: 'email',
      title: 'E-mail',
      sort: 'email',
      cell: (row) => <a href={`/admin/users/${row.id}`}>{row.email}</a>,
      csv: { email: (row) => row.email },
    },
    {
      key: 'role',
      title: 'Role',
      cell: (row) => (row.is_staff ? <Badge status="staff" tone="good" /> : 'Guest'),
      csv: { staff: (row) => row.is_staff },
    },
    {
      key: 'state',
      title: 'State',
      cell: (row) => (row.is_active ? 'Active' : <Badge status="deactivated" tone="bad" />),
      csv: { active: (row) => row.is_active },
    },
    {
      key: 'created',
      title: 'Since',
      cell: (row) => <Instant at={row.created_at} />,
      csv: { created_at: (row) => row.created_at },
    },
  ],
};

const rooms: ListView<Room> = {
  section: 'Rooms',
  path: '/rooms',
  source: roomList,
  searchHint: 'Part of the name, or number',
  sort: { key: 'name', descending: false },
  actions: (
    <a class="button" href="/admin/rooms/new">
      Add a room
    </a>
  ),
  filters: [
    { kind: 'choice', name: 'state', label: 'State', choices: choicesOf(['available', 'not_available']) },
  ],
  columns: [
    {
      key: 'name',
      title: 'Room',
      sort: 'name',
      cell: (row) => <a href={`/admin/rooms/${row.id}`}>{row.name}</a>,
      csv: { room_id: (row) => row.id, name: (row) => row.name, description: (row) => row.description },
    },
    {
      key: 'hours',
      title: 'Hours',
      cell: (row) => `${shortTime(row.opening_time)}–${shortTime(row.closing_time)}`,
      csv: { opens: (row) => row.opening_time, closes: (row) => row.closing_time },
    },
    { key: 'zone', title: 'Zone', cell: (row) => row.time_zone, csv: { time_zone: (row) => row.time_zone } },
    {
      key: 'slot',
      title: 'Slot',
      numeric: true,
      cell: (row) => `${row.slot_duration_minutes} min`,
      csv: { slot_minutes: (row) => row.slot_duration_minutes },
    },
    {
      key: 'price',
      title: 'Price a slot',
      sort: 'price',
      numeric: true,
      cell: (row) => formatMoney(row.price_minor, row.currency),
      csv: { price: (row) => toMajor(row.price_minor, row.currency), currency: (row) => row.currency },
    },
    {
      key: 'capacity',
      title: 'Capacity',
      sort: 'capacity',
      numeric: true,
      cell: (row) => row.capacity,
      csv: { capacity: (row) => row.capacity, amenities: (row) => row.amenities.join(', ') },
    },
    {
      key: 'state',
      title: 'State',
      cell: (row) => <RoomState available={row.is_available} />,
      csv: { available: (row) => row.is_available },
    },
  ],
};

function RoomState({ available }: { available: boolean }) {
  return <Badge status={available ? 'available' : 'not available'} tone={available ? 'good' : 'calm'} />;
}

const flags: ListView<FlagListRow> = {
  section: 'Flags',
  path: '/flags',
  source: flagList,
  searchHint: 'Booking number, or the exact subject',
  sort: { key: 'id', descending: true },
  filters: [
    { kind: 'choice', name: 'state', label: 'State', choices: choicesOf(['open', 'resolved']) },
    { kind: 'choice', name: 'kind', label: 'Kind', choices: choicesOf(flagKinds) },
  ],
  columns: [
    {
      key: 'id',
      title: 'Flag',
      sort: 'id',
      cell: (row) => <a href={`/admin/flags/${row.id}`}>{row.kind.replaceAll('_', ' ')}</a>,
      csv: { flag_id: (row) => row.id, kind: (row) => row.kind },
    },
    { key: 'detail', title: 'What', cell: (row) => row.detail, csv: { detail: (row) => row.detail } },
    {
      key: 'subject',
      title: 'Subject',
      cell: (row) => <code>{row.subject}</code>,
      csv: { subject: (row) => row.subject },
    },
    {
      key: 'booking',
      title: 'Booking',
      cell: (row) => (row.booking_id ? bookingLink(row.booking_id) : '–'),
      csv: { booking_id: (row) => row.booking_id },
    },
    {
      key: 'raised',
      title: 'Raised',
      cell: (row) => <Instant at={row.created_at} />,
      csv: { raised_at: (row) => row.created_at },
    },
    {
      key: 'state',
      title: 'State',
      cell: (row) =>
        row.resolved_at ? <Badge status="resolved" tone="calm" /> : <Badge status="open" tone="bad" />,
      csv: { resolved_at: (row) => row.resolved_at },
    },
  ],
};
