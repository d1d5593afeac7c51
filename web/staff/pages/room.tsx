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
import { goTo, idOf, type PanelRoute, respond, type PanelRequest } from '../panel-request.ts';
import { StaffHistory } from '../staff-history.tsx';

interface BookingsAhead {
  /** Whether all of them can keep their time of day. */
  canMove: boolean;
  count: number;
  bookings: StayAhead[];
}

interface Shown {
  /** Undefined for a new room. */
  id?: number;
  title: string;
  form: Form;
  errors?: RoomErrors;
  fault?: string;
  /** Future bookings that a new time zone would move. */
  ahead?: BookingsAhead;
  events?: StaffEventRow[];
}

/** Adding and editing rooms. An edit never overwrites what somebody else has saved since the page was loaded. */
export function roomPages({ db, rooms }: WebDeps): PanelRoute[] {
  const render = (request: PanelRequest, status: number, shown: Shown) =>
    respond(request.ctx, status, <RoomPage request={request} shown={shown} />);

  async function showRoom(request: PanelRequest): Promise<void> {
    const room = await findRoom(db, idOf(request));
    if (!room) throw new Problem('not_found');
    const events = await listStaffEvents(db, 'room', room.id);
    render(request, 200, { id: room.id, title: room.name, form: formOfRoom(room), events });
  }

  async function addRoom(request: PanelRequest): Promise<void> {
    const shown: Shown = { title: 'Add room', form: request.form };
    const read = readRoomForm(request.form);
    if ('errors' in read) return render(request, 400, { ...shown, errors: read.errors });
    try {
      const id = await insertRoom(db, request.staff.userId, read.fields);
      goTo(request.ctx, `/admin/rooms/${id}`, 'added');
    } catch (error) {
      if (violatedConstraint(error) !== 'rooms_name_taken') throw error;
      render(request, 409, { ...shown, errors: nameTaken });
    }
  }

  async function editRoom(request: PanelRequest): Promise<void> {
    const id = idOf(request);
    const room = await findRoom(db, id);
    if (!room) throw new Problem('not_found');
    const shown: Shown = { id, title: room.name, form: request.form };
    const read = readRoomForm(request.form);
    if ('errors' in read) return render(request, 400, { ...shown, errors: read.errors });
    try {
      const saved = await saveRoom(db, {
        actorId: request.staff.userId,
        id,
        version: Number(request.form['version']),
        fields: read.fields,
        keepWallClock: request.form['keep_wall_clock'] === 'yes',
      });
      // This process uses the new price immediately; the others notice the new version when a guest books.
      rooms.forget(id);
      if (saved) return goTo(request.ctx, `/admin/rooms/${id}`, 'saved');
      render(request, 409, { ...shown, fault: changedMeanwhile });
    } catch (error) {
      const ahead = bookingsAhead(error);
      if (ahead) return render(request, 409, { ...shown, ahead });
      if (violatedConstraint(error) !== 'rooms_name_taken') throw error;
      render(request, 409, { ...shown, errors: nameTaken });
    }
  }

  return [
    {
      method: 'GET',
      path: '/rooms/new',
      async serve(request) {
        render(request, 200, { title: 'Add room', form: { ...emptyRoom, available: 'yes' } });
      },
    },
    { method: 'POST', path: '/rooms/new', serve: addRoom },
    { method: 'GET', path: '/rooms/:id', serve: showRoom },
    { method: 'POST', path: '/rooms/:id', serve: editRoom },
  ];
}

const nameTaken = { name: 'Another room has this name.' };
const changedMeanwhile =
  'Somebody else has changed this room since you opened it. Your changes were not saved.';

/** The bookings that are the reason why a new time zone was refused. */
function bookingsAhead(error: unknown): BookingsAhead | undefined {
  if (!(error instanceof Problem)) return undefined;
  if (error.code !== 'bookings_ahead' && error.code !== 'bookings_cannot_move') return undefined;
  const { count, bookings } = error.extras.members as Pick<BookingsAhead, 'count' | 'bookings'>;
  return { canMove: error.code === 'bookings_ahead', count, bookings };
}

const reasons = { in_the_past: 'it would already have started', clock_change: 'the clocks change during it' };

function Ahead({ ahead }: { ahead: BookingsAhead }) {
  const more = ahead.count - ahead.bookings.length;
  return (
    <Alert>
      <p>
        {ahead.canMove
          ? 'This room has future bookings. The new time zone would move them. Nothing has been saved yet.'
          : 'These bookings cannot keep their time of day in the new time zone. Wait until they are over, or cancel them first. Nothing has been saved.'}
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

function RoomPage({ request, shown }: { request: PanelRequest; shown: Shown }) {
  const { id, title, form, errors = {}, fault, ahead, events } = shown;
  const path = id ? `/admin/rooms/${id}` : '/admin/rooms/new';
  return (
    <Page request={request} section="Rooms" title={title}>
      {fault && (
        <Alert>
          {fault} <a href={path}>Reload the room</a>
        </Alert>
      )}
      {Object.keys(errors).length > 0 && (
        <Alert>
          <p>Please correct these fields. Nothing has been saved yet.</p>
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
        <input type="hidden" name="csrf" value={request.csrf} />
        {id && <input type="hidden" name="version" value={form['version'] ?? ''} />}
        <Fields form={form} errors={errors} />
        {ahead?.canMove && (
          <label class="choice">
            <input type="checkbox" name="keep_wall_clock" value="yes" />
            <span>Bookings keep their time of day in the new time zone</span>
          </label>
        )}
        <div class="buttons">
          <button type="submit">{id ? 'Save' : 'Add room'}</button>
          <a class="button quiet" href="/admin/rooms">
            Back to rooms
          </a>
        </div>
        {id && <p class="hint">Existing bookings keep their times and prices.</p>}
      </form>
      {events && <StaffHistory events={events} />}
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
          label="Price per slot"
          hint="For example 49.50"
          inputMode="decimal"
          required
        />
        <Field {...of('currency')} label="Currency" hint="Three letters, e.g. usd" maxLength={3} required />
        <Field {...of('capacity')} label="Capacity" hint="Maximum guests" inputMode="numeric" required />
      </div>
      <div class="row">
        <Field {...of('opening_time')} label="Opens" hint="HH:MM" maxLength={8} required />
        <Field {...of('closing_time')} label="Closes" hint="HH:MM, at most 24:00" maxLength={8} required />
        <Field
          {...of('slot_minutes')}
          label="Slot length (minutes)"
          hint="5 to 1440"
          inputMode="numeric"
          required
        />
      </div>
      <Field
        {...of('time_zone')}
        label="Time zone"
        hint="For example Europe/Berlin"
        list="time-zones"
        required
      />
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
