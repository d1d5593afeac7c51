import { flagKinds } from '../../../db/flags.ts';
import type { Room } from '../../../db/models.ts';
import { flagList, type FlagListRow, roomList, userList, type UserListRow } from '../queries/lists.ts';
import { toMajor } from '../../../domain/money.ts';
import type { WebDeps } from '../../deps.ts';
import { type ListView, listRoutes } from '../list-page.tsx';
import { Badge, bookingLink, formatMoney, Instant, plain, shortTime } from '../parts.tsx';
import type { PanelRoute } from '../panel-request.ts';
import { bookings, choicesOf, payments } from './booking-lists.tsx';

/** Every list of the panel: the columns of its page and of its export, its filters and sorts. */
export function listPages(deps: WebDeps): PanelRoute[] {
  return [
    ...listRoutes(deps, bookings),
    ...listRoutes(deps, payments),
    ...listRoutes(deps, users),
    ...listRoutes(deps, rooms),
    ...listRoutes(deps, flags),
  ];
}

const users: ListView<UserListRow> = {
  section: 'Users',
  path: '/users',
  source: userList,
  searchHint: 'Start of the e-mail, or user number',
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
      title: 'Registered',
      cell: (row) => <Instant at={row.created_at} />,
      csv: { created_at: (row) => row.created_at },
    },
  ],
};

const rooms: ListView<Room> = {
  section: 'Rooms',
  path: '/rooms',
  source: roomList,
  searchHint: 'Part of the name, or room number',
  sort: { key: 'name', descending: false },
  actions: (
    <a class="button" href="/admin/rooms/new">
      Add room
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
    {
      key: 'zone',
      title: 'Time zone',
      cell: (row) => row.time_zone,
      csv: { time_zone: (row) => row.time_zone },
    },
    {
      key: 'slot',
      title: 'Slot length',
      numeric: true,
      cell: (row) => `${row.slot_duration_minutes} min`,
      csv: { slot_minutes: (row) => row.slot_duration_minutes },
    },
    {
      key: 'price',
      title: 'Price per slot',
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
  searchHint: 'Booking number or exact subject',
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
      cell: (row) => <a href={`/admin/flags/${row.id}`}>{plain(row.kind)}</a>,
      csv: { flag_id: (row) => row.id, kind: (row) => row.kind },
    },
    { key: 'detail', title: 'Description', cell: (row) => row.detail, csv: { detail: (row) => row.detail } },
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
      key: 'times',
      title: 'Times',
      numeric: true,
      cell: (row) => row.occurrences,
      csv: { times: (row) => row.occurrences, last_at: (row) => row.last_at },
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
