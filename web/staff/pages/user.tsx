import type { ComponentChildren } from 'preact';
import { countOpenSessions } from '../queries/sessions.ts';
import { bookingList, type BookingListRow, type UserListRow } from '../queries/lists.ts';
import { readPage } from '../queries/list.ts';
import { listStaffEvents, type StaffEventRow } from '../../../db/staff-events.ts';
import { changeUser, findUser, type UserChange, userChanges } from '../queries/users.ts';
import { Problem } from '../../../domain/problems.ts';
import type { WebDeps } from '../../deps.ts';
import { Confirm, type Question } from '../confirm.tsx';
import { Page } from '../layout.tsx';
import { Badge, bookingLink, Card, Facts, formatMoney, Instant, plain, shortTime, Table } from '../parts.tsx';
import { goTo, idOf, type PanelRoute, respond, type Visit } from '../visit.ts';

const bookingsShown = 10;

/** What each change means, said before it is done. */
const questions: Record<UserChange, { title: string; submit: string; harmful: boolean; text: string }> = {
  make_staff: {
    title: 'Make this user staff?',
    submit: 'Make staff',
    harmful: true,
    text: 'Staff sees every booking and every user, cancels, refunds, edits rooms and makes others staff.',
  },
  take_staff: {
    title: 'Take the staff role away?',
    submit: 'Take the role away',
    harmful: true,
    text: 'It counts from the next request on; the panel is closed for this user.',
  },
  deactivate: {
    title: 'Deactivate this account?',
    submit: 'Deactivate',
    harmful: true,
    text: 'All its sessions end, and nobody can sign in with it. Its bookings stay as they are. An access token that is out already works for at most 30 minutes, and books nothing.',
  },
  activate: {
    title: 'Activate this account again?',
    submit: 'Activate',
    harmful: false,
    text: 'Its owner can sign in again, with the same password.',
  },
  end_sessions: {
    title: 'End all sessions of this user?',
    submit: 'End all sessions',
    harmful: true,
    text: 'The user is signed out everywhere and has to sign in again.',
  },
};

/** A user's page and what staff can change of an account; never of one's own, so that nobody locks themselves out. */
export function userPages({ db }: WebDeps): PanelRoute[] {
  async function load(visit: Visit): Promise<UserListRow> {
    const user = await findUser(db, idOf(visit));
    if (!user) throw new Problem('not_found');
    return user;
  }

  async function show(visit: Visit): Promise<void> {
    const user = await load(visit);
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
    respond(visit.ctx, 200, <UserPage {...{ visit, user, bookings, events, sessions }} />);
  }

  async function render(visit: Visit, change: UserChange, status: number, fault?: string): Promise<void> {
    const user = await load(visit);
    const path = `/admin/users/${user.id}`;
    const { title, submit, harmful, text } = questions[change];
    const question: Question = {
      section: 'Users',
      title,
      action: `${path}/${change}`,
      back: path,
      submit,
      harmful,
      fault,
      text: (
        <>
          <p>
            <strong>{user.email}</strong>
          </p>
          <p>{text}</p>
        </>
      ),
    };
    respond(visit.ctx, status, <Confirm visit={visit} question={question} />);
  }

  const changePages = (change: UserChange): PanelRoute[] => [
    { method: 'GET', path: `/users/:id/${change}`, serve: (visit) => render(visit, change, 200) },
    {
      method: 'POST',
      path: `/users/:id/${change}`,
      async serve(visit) {
        const outcome = await changeUser(db, visit.staff.userId, idOf(visit), change);
        if (outcome === 'not_found') throw new Problem('not_found');
        if (outcome === 'not_allowed') {
          return render(
            visit,
            change,
            403,
            'Nobody can change their own account here: ask another member of staff.',
          );
        }
        goTo(visit.ctx, `/admin/users/${idOf(visit)}`, 'changed');
      },
    },
  ];

  return [{ method: 'GET', path: '/users/:id', serve: show }, ...userChanges.flatMap(changePages)];
}

interface Props {
  visit: Visit;
  user: UserListRow;
  bookings: BookingListRow[];
  events: StaffEventRow[];
  sessions: number;
}

function UserPage({ visit, user, bookings, events, sessions }: Props) {
  const own = user.id === visit.staff.userId;
  return (
    <Page
      visit={visit}
      section="Users"
      title={user.email}
      actions={own ? undefined : <Actions user={user} sessions={sessions} />}
    >
      <Card title="Account" id="account">
        <Facts
          of={[
            ['Number', `#${user.id}${own ? ' (you)' : ''}`],
            ['Role', user.is_staff ? <Badge status="staff" tone="good" /> : 'Guest'],
            ['State', user.is_active ? 'Active' : <Badge status="deactivated" tone="bad" />],
            ['Since', <Instant at={user.created_at} />],
            ['Open sessions', sessions],
          ]}
        />
      </Card>
      <Card title="Latest bookings" id="bookings">
        {bookings.length === 0 ? <p class="empty">No bookings.</p> : <Bookings bookings={bookings} />}
        {bookings.length > 0 && <a href={`/admin/bookings?user=${user.id}`}>All bookings of this user</a>}
      </Card>
      <StaffTrail events={events} />
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
        ? link('take_staff', 'Take staff role', 'quiet')
        : link('make_staff', 'Make staff', 'quiet')}
      {sessions > 0 && link('end_sessions', 'End sessions', 'quiet')}
      {user.is_active ? link('deactivate', 'Deactivate', 'danger') : link('activate', 'Activate', '')}
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

/** What staff did to something, newest first. */
export function StaffTrail({ events }: { events: StaffEventRow[] }) {
  return (
    <Card title="What staff did" id="trail">
      {events.length === 0 && <p class="empty">Nothing yet.</p>}
      <ol class="timeline">
        {events.map((event) => (
          <li key={event.id}>
            <Instant at={event.at} />
            <div>
              <strong>{plain(event.action)}</strong>
              <span class="by"> by {event.actor_email}</span>
              {event.detail && <p class="hint">{event.detail}</p>}
            </div>
          </li>
        ))}
      </ol>
    </Card>
  );
}
