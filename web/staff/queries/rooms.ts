import type { RoomFields } from '../../../core/rooms/edit-room.ts';
import { type Db, rows } from '../../../db/knex.ts';
import { Room } from '../../../db/models.ts';
import { noteStaffEvent } from '../../../db/staff-events.ts';

/** @throws the violation of `rooms_name_taken` */
export async function insertRoom(db: Db, actorId: number, fields: RoomFields): Promise<number> {
  return db.transaction(async (trx) => {
    const made = await Room.query(trx).insert(fields).returning('id');
    await noteStaffEvent(trx, {
      actorId,
      action: 'room_added',
      subjectKind: 'room',
      subjectId: made.id,
      detail: fields.name,
    });
    return made.id;
  });
}

export async function findRoom(db: Db, id: number): Promise<Room | undefined> {
  return Room.query(db).findById(id);
}

/** The names of all rooms, or undefined when there are too many to choose from. */
export async function listRoomNames(db: Db): Promise<{ id: number; name: string }[] | undefined> {
  const names = await db('rooms')
    .select('id', 'name')
    .orderBy('name')
    .limit(choicesMax + 1);
  return names.length <= choicesMax ? names : undefined;
}

const choicesMax = 500;

export interface DayBooking {
  id: number;
  room_id: number;
  start_time: string;
  end_time: string;
  status: 'pending' | 'confirmed' | 'completed';
  user_email: string;
  hold_expires_at: Date;
}

/** The time zone of most rooms, whose "today" the calendar opens with. */
export async function usualTimeZone(db: Db): Promise<string> {
  const [usual] = await rows<{ time_zone: string }>(
    db,
    'select time_zone from rooms group by 1 order by count(*) desc, 1 limit 1',
  );
  return usual?.time_zone ?? 'UTC';
}

/** A page of rooms by name, with their bookings on one day of their calendars. */
export async function readDay(
  db: Db,
  date: string,
  page: { limit: number; offset: number },
): Promise<{ rooms: Room[]; more: boolean; bookings: DayBooking[] }> {
  const found = await Room.query(db)
    .orderBy('name')
    .orderBy('id')
    .limit(page.limit + 1)
    .offset(page.offset);
  const rooms = found.slice(0, page.limit);
  const bookings: DayBooking[] = await db('bookings as b')
    .join('users as u', 'u.id', 'b.user_id')
    .select('b.id', 'b.room_id', 'b.start_time', 'b.end_time', 'b.status', 'b.hold_expires_at')
    .select('u.email as user_email')
    .where('b.booking_date', date)
    .whereIn('b.status', ['pending', 'confirmed', 'completed'])
    .whereIn(
      'b.room_id',
      rooms.map((room) => room.id),
    )
    .orderBy('b.start_time');
  return { rooms, more: found.length > page.limit, bookings };
}
