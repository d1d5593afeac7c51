import type { ComponentChildren } from 'preact';
import { countOpenSessions } from '../queries/sessions.ts';
import { bookingList, type BookingListRow, type UserListRow } from '../queries/lists.ts';
import { readPage } from '../queries/list.ts';
import { listStaffEvents, type StaffEventRow } from '../../../db/staff-events.ts';
import { changeUser, findUser, type UserChange, userChanges } from '../queries/users.ts';
import { Problem } from '../../../domain/problems.ts';
import type { WebDeps } from '../../deps.ts';
import { confirmFirst, type Question } from '../confirm.tsx';
import { Page } from '../layout.tsx';
import { Badge, bookingLink, Card, Facts, formatMoney, Instant, shortTime, Table } from '../parts.tsx';
import { goTo, idOf, type PanelRoute, respond, type PanelRequest } from '../panel-request.ts';
import { StaffHistory } from '../staff-history.tsx';

const bookingsShown = 10;

/** The question before each change. */
const questions: Record<UserChange, { title: string; submit: string; harmful: boolean; text: string }> = {
  make_staff: {
    title: 'Make this user staff?',
    submit: 'Make staff',
    harmful: true,
    text: 'Staff can see all bookings and users, cancel and refund, edit rooms, and make other users staff.',
  },
  remove_staff: {
    title: 'Remove the staff role?',
    submit: 'Remove staff role',
    harmful: true,
    text: 'The user loses access to the staff panel immediately.',
  },
  deactivate: {
    title: 'Deactivate this account?',
    submit: 'Deactivate',
    harmful: true,
    text: 'All its sessions end immediately and nobody can sign in to it. Its bookings stay as they are.',
  },
  activate: {
    title: 'Reactivate this account?',
    submit: 'Reactivate',
    harmful: false,
    text: 'The user can sign in again with the same password.',
  },
  end_sessions: {
    title: 'End all sessions of this user?',
    submit: 'End all sessions',
    harmful: true,
    text: 'The user is signed out everywhere and has to sign in again.',
  },
};

/** A user's page and its actions. Staff cannot change their own account, so that nobody locks themselves out. */
export function userPages({ db }: WebDeps): PanelRoute[] {
  async function load(request: PanelRequest): Promise<UserListRow> {
    const user = await findUser(db, idOf(request));
    if (!user) throw new Problem('not_found');
    return user;
  }

  async function show(request: PanelRequest): Promise<void> {
    const user = await load(request);
    const [{ rows: bookings }, events, sessions] = await Promise.all([
      readPage(db, bookingList, {
        sort: 'id',
        descending: true,
        search: '',
        filters: { user: String(user.id) },
        limit: bookingsShown,
      }),
      listStaffEvents(db, 'user', user.id),
      countOpenSessions(db, user.id),
    ]);
    respond(request.ctx, 200, <UserPage {...{ request, user, bookings, events, sessions }} />);
  }

  const changeRoutes = (change: UserChange): PanelRoute[] =>
    confirmFirst(
      `/users/:id/${change}`,
      async (request) => changeQuestion(await load(request), change),
      async (request) => {
        const outcome = await changeUser(db, request.staff.userId, idOf(request), change);
        if (outcome === 'not_found') throw new Problem('not_found');
        if (outcome === 'not_allowed') throw new Problem('account_not_changeable');
        goTo(request.ctx, `/admin/users/${idOf(request)}`, 'changed');
      },
    );

  return [{ method: 'GET', path: '/users/:id', serve: show }, ...userChanges.flatMap(changeRoutes)];
}

function changeQuestion(user: UserListRow, change: UserChange): Question {
  const { text, ...rest } = questions[change];
  return {
    section: 'Users',
    back: `/admin/users/${user.id}`,
    ...rest,
    text: (
      <>
        <p>
          <strong>{user.email}</strong>
        </p>
        <p>{text}</p>
      </>
    ),
  };
}

interface Props {
  request: PanelRequest;
  user: UserListRow;
  bookings: BookingListRow[];
  events: StaffEventRow[];
  sessions: number;
}

function UserPage({ request, user, bookings, events, sessions }: Props) {
  const own = user.id === request.staff.userId;
  return (
    <Page
      request={request}
      section="Users"
      title={user.email}
      actions={own ? undefined : <Actions user={user} sessions={sessions} />}
    >
      <Card title="Account" id="account">
        <Facts
          of={[
            ['User', `#${user.id}${own ? ' (you)' : ''}`],
            ['Role', user.is_staff ? <Badge status="staff" tone="good" /> : 'Guest'],
            ['State', user.is_active ? 'Active' : <Badge status="deactivated" tone="bad" />],
            ['Registered', <Instant at={user.created_at} />],
            ['Open sessions', sessions],
          ]}
        />
      </Card>
      <Card title="Latest bookings" id="bookings">
        {bookings.length === 0 ? <p class="empty">No bookings.</p> : <Bookings bookings={bookings} />}
        {bookings.length > 0 && <a href={`/admin/bookings?user=${user.id}`}>All bookings of this user</a>}
      </Card>
      <StaffHistory events={events} />
    </Page>
  );
}

function Actions({ user, sessions }: { user: UserListRow; sessions: number }) {
  const link = (change: UserChange, title: string, look: string): ComponentChildren => (
    <a class={`button ${look}`} href={`/admin/users/${user.id}/${change}`}>
      {title}…
    </a>
  );
  return (
    <>
      {user.is_staff
        ? link('remove_staff', 'Remove staff role', 'quiet')
        : link('make_staff', 'Make staff', 'quiet')}
      {sessions > 0 && link('end_sessions', 'End sessions', 'quiet')}
      {user.is_active ? link('deactivate', 'Deactivate', 'danger') : link('activate', 'Reactivate', '')}
    </>
  );
}

function Bookings({ bookings }: { bookings: BookingListRow[] }) {
  return (
    <Table
      caption="Latest bookings"
      rows={bookings}
      columns={[
        { key: 'id', title: 'Booking', cell: (row) => bookingLink(row.id) },
        {
          key: 'when',
          title: 'When',
          cell: (row) => `${row.booking_date} ${shortTime(row.start_time)}–${shortTime(row.end_time)}`,
        },
        { key: 'room', title: 'Room', cell: (row) => row.room_name },
        {
          key: 'amount',
          title: 'Amount',
          numeric: true,
          cell: (row) => formatMoney(row.amount_minor, row.currency),
        },
        { key: 'status', title: 'Status', cell: (row) => <Badge status={row.status} /> },
      ]}
    />
  );
}
