import { editRoom as saveRoom } from '../../../core/rooms/edit-room.ts';
import type { StayAhead } from '../../../core/rooms/move-stays.ts';
import { violatedConstraint } from '../../../db/errors.ts';
import { findRoom, insertRoom } from '../queries/rooms.ts';
import { listStaffEvents, type StaffEventRow } from '../../../db/staff-events.ts';
import { Problem } from '../../../domain/problems.ts';
import type { WebDeps } from '../../deps.ts';
import type { Form } from '../form.ts';
import { Page } from '../layout.tsx';
import { Alert, Field } from '../parts.tsx';
import { emptyRoom, formOfRoom, readRoomForm, type RoomErrors, timeZones } from '../room-form.ts';
import { goTo, idOf, type PanelRoute, respond, type Visit } from '../visit.ts';
import { StaffTrail } from './user.tsx';

interface BookingsAhead {
  /** They could keep their wall-clock time, if staff says so. */
  canMove: boolean;
  count: number;
  bookings: StayAhead[];
}

interface Shown {
  /** Undefined: a room to be. */
  id?: number;
  title: string;
  form: Form;
  errors?: RoomErrors;
  fault?: string;
  /** Bookings that a new time zone would move. */
  ahead?: BookingsAhead;
  events?: StaffEventRow[];
}

/** Adding and editing rooms. Who edits what somebody else has changed meanwhile is told so, and overwrites nothing. */
export function roomPages({ db, rooms }: WebDeps): PanelRoute[] {
  const render = (visit: Visit, status: number, shown: Shown) =>
    respond(visit.ctx, status, <RoomPage visit={visit} shown={shown} />);

  async function showRoom(visit: Visit): Promise<void> {
    const room = await findRoom(db, idOf(visit));
    if (!room) throw new Problem('not_found');
    const events = await listStaffEvents(db, 'room', room.id);
    render(visit, 200, { id: room.id, title: room.name, form: formOfRoom(room), events });
  }

  async function addRoom(visit: Visit): Promise<void> {
    const shown: Shown = { title: 'Add a room', form: visit.form };
    const read = readRoomForm(visit.form);
    if ('errors' in read) return render(visit, 400, { ...shown, errors: read.errors });
    try {
      const id = await insertRoom(db, visit.staff.userId, read.fields);
      goTo(visit.ctx, `/admin/rooms/${id}`, 'added');
    } catch (error) {
      if (violatedConstraint(error) !== 'rooms_name_taken') throw error;
      render(visit, 409, { ...shown, errors: nameTaken });
    }
  }

  async function editRoom(visit: Visit): Promise<void> {
    const id = idOf(visit);
    const room = await findRoom(db, id);
    if (!room) throw new Problem('not_found');
    const shown: Shown = { id, title: room.name, form: visit.form };
    const read = readRoomForm(visit.form);
    if ('errors' in read) return render(visit, 400, { ...shown, errors: read.errors });
    try {
      const saved = await saveRoom(db, {
        actorId: visit.staff.userId,
        id,
        version: Number(visit.form['version']),
        fields: read.fields,
        keepWallClock: visit.form['keep_wall_clock'] === 'yes',
      });
      // This process prices by the new room at once; the others see the new version when they try to book.
      rooms.forget(id);
      if (saved) return goTo(visit.ctx, `/admin/rooms/${id}`, 'saved');
      render(visit, 409, { ...shown, fault: changedMeanwhile });
    } catch (error) {
      const ahead = bookingsAhead(error);
      if (ahead) return render(visit, 409, { ...shown, ahead });
      if (violatedConstraint(error) !== 'rooms_name_taken') throw error;
      render(visit, 409, { ...shown, errors: nameTaken });
    }
  }

  return [
    {
      method: 'GET',
      path: '/rooms/new',
      async serve(visit) {
        render(visit, 200, { title: 'Add a room', form: { ...emptyRoom, available: 'yes' } });
      },
    },
    { method: 'POST', path: '/rooms/new', serve: addRoom },
    { method: 'GET', path: '/rooms/:id', serve: showRoom },
    { method: 'POST', path: '/rooms/:id', serve: editRoom },
  ];
}

const nameTaken = { name: 'Another room has this name.' };
const changedMeanwhile = 'Somebody has changed this room since you opened it. Nothing is saved.';

/** The bookings that a refusal of a new time zone lists. */
function bookingsAhead(error: unknown): BookingsAhead | undefined {
  if (!(error instanceof Problem)) return undefined;
  if (error.code !== 'bookings_ahead' && error.code !== 'bookings_cannot_move') return undefined;
  const { count, bookings } = error.extras.members as Pick<BookingsAhead, 'count' | 'bookings'>;
  return { canMove: error.code === 'bookings_ahead', count, bookings };
}

const reasons = { in_the_past: 'it would have begun already', clock_change: 'the clocks change in it' };

function Ahead({ ahead }: { ahead: BookingsAhead }) {
  const more = ahead.count - ahead.bookings.length;
  return (
    <Alert>
      <p>
        {ahead.canMove
          ? 'Bookings lie ahead in this room. In the new time zone they would begin at another moment. Nothing is saved yet.'
          : 'These bookings cannot keep their time in the new time zone. Wait until they are over, or cancel them first. Nothing is saved.'}
      </p>
      <ul>
        {ahead.bookings.map((booking) => (
          <li key={booking.id}>
            <a href={`/admin/bookings/${booking.id}`}>
              {booking.booking_date}, {booking.start_time.slice(0, 5)}–{booking.end_time.slice(0, 5)}
            </a>{' '}
            ({booking.status}){booking.reason && `: ${reasons[booking.reason]}`}
          </li>
        ))}
      </ul>
      {more > 0 && <p>and {more} more</p>}
    </Alert>
  );
}

function RoomPage({ visit, shown }: { visit: Visit; shown: Shown }) {
  const { id, title, form, errors = {}, fault, ahead, events } = shown;
  const path = id ? `/admin/rooms/${id}` : '/admin/rooms/new';
  return (
    <Page visit={visit} section="Rooms" title={title}>
      {fault && (
        <Alert>
          {fault} <a href={path}>Load the room as it is now</a>
        </Alert>
      )}
      {Object.keys(errors).length > 0 && (
        <Alert>
          <p>Please look at these fields; nothing is saved yet.</p>
          <ul>
            {Object.entries(errors).map(([name, message]) => (
              <li key={name}>
                <a href={`#${name}`}>{message}</a>
              </li>
            ))}
          </ul>
        </Alert>
      )}
      {ahead && <Ahead ahead={ahead} />}
      <form method="post" action={path} class="card room" noValidate>
        <input type="hidden" name="csrf" value={visit.csrf} />
        {id && <input type="hidden" name="version" value={form['version'] ?? ''} />}
        <Fields form={form} errors={errors} />
        {ahead?.canMove && (
          <label class="choice">
            <input type="checkbox" name="keep_wall_clock" value="yes" />
            <span>The bookings keep their time of day, on the clocks of the new time zone</span>
          </label>
        )}
        <div class="buttons">
          <button type="submit">{id ? 'Save' : 'Add the room'}</button>
          <a class="button quiet" href="/admin/rooms">
            Back to the rooms
          </a>
        </div>
        {id && <p class="hint">Bookings that exist keep their times and their price.</p>}
      </form>
      {events && <StaffTrail events={events} />}
    </Page>
  );
}

function Fields({ form, errors }: { form: Form; errors: RoomErrors }) {
  const of = (name: string) => ({ name, value: form[name] ?? '', error: errors[name] });
  return (
    <>
      <Field {...of('name')} label="Name" maxLength={100} required />
      <Field {...of('description')} label="Description" maxLength={2_000} lines={3} />
      <div class="row">
        <Field
          {...of('price')}
          label="Price of a slot"
          hint="In major units: 49.50"
          inputMode="decimal"
          required
        />
        <Field {...of('currency')} label="Currency" hint="Three letters: usd" maxLength={3} required />
        <Field {...of('capacity')} label="Capacity" hint="Guests at most" inputMode="numeric" required />
      </div>
      <div class="row">
        <Field {...of('opening_time')} label="Opens" hint="HH:MM" maxLength={8} required />
        <Field {...of('closing_time')} label="Closes" hint="HH:MM, at most 24:00" maxLength={8} required />
        <Field
          {...of('slot_minutes')}
          label="Minutes of a slot"
          hint="5 to 1440"
          inputMode="numeric"
          required
        />
      </div>
      <Field {...of('time_zone')} label="Time zone" hint="Like Europe/Berlin" list="time-zones" required />
      <datalist id="time-zones">
        {timeZones.map((zone) => (
          <option key={zone} value={zone} />
        ))}
      </datalist>
      <Field {...of('amenities')} label="Amenities" hint="Separated by commas" lines={2} />
      <label class="choice">
        <input type="checkbox" name="available" value="yes" checked={form['available'] === 'yes'} />
        <span>Can be booked</span>
      </label>
    </>
  );
}
