import { violatedConstraint } from '../../../db/errors.ts';
import { findRoom, insertRoom, updateRoom } from '../queries/rooms.ts';
import { listStaffEvents, type StaffEventRow } from '../../../db/staff-events.ts';
import { Problem } from '../../../domain/problems.ts';
import type { WebDeps } from '../../deps.ts';
import type { Form } from '../form.ts';
import { Page } from '../layout.tsx';
import { Alert, Field } from '../parts.tsx';
import { emptyRoom, formOfRoom, readRoomForm, type RoomErrors, timeZones } from '../room-form.ts';
import { goTo, idOf, type PanelRoute, respond, type Visit } from '../visit.ts';
import { StaffTrail } from './user.tsx';

interface Shown {
  /** Undefined: a room to be. */
  id?: number;
  title: string;
  form: Form;
  errors?: RoomErrors;
  fault?: string;
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
      const version = Number(visit.form['version']);
      const saved = await updateRoom(db, visit.staff.userId, { id, version }, read.fields);
      // This process prices by the new room at once; the others see the new version when they try to book.
      rooms.forget(id);
      if (saved) return goTo(visit.ctx, `/admin/rooms/${id}`, 'saved');
      render(visit, 409, { ...shown, fault: changedMeanwhile });
    } catch (error) {
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

function RoomPage({ visit, shown }: { visit: Visit; shown: Shown }) {
  const { id, title, form, errors = {}, fault, events } = shown;
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
      <form method="post" action={path} class="card room" noValidate>
        <input type="hidden" name="csrf" value={visit.csrf} />
        {id && <input type="hidden" name="version" value={form['version'] ?? ''} />}
        <Fields form={form} errors={errors} />
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
