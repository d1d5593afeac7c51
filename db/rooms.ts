import { type PricedRoom, parseTimeOfDay, type RoomHours } from '../domain/slots.ts';
import { type Db, prepared } from './knex.ts';
import { Room } from './models.ts';

/** A room with what its bookings are judged and priced by. */
export interface BookableRoom extends PricedRoom {
  id: number;
  version: number;
  name: string;
  isAvailable: boolean;
}

/** A page of the rooms that can be booked, by id: those after `afterId`. */
export async function listRooms(
  db: Db,
  page: { limit: number; afterId?: number | undefined },
): Promise<Room[]> {
  const query = Room.query(db).where('is_available', true).orderBy('id').limit(page.limit);
  if (page.afterId !== undefined) query.where('id', '>', page.afterId);
  return query;
}

/** How many rooms can be booked. */
export async function countRooms(db: Db): Promise<number> {
  return Room.query(db).where('is_available', true).resultSize();
}

/** One room, whether or not it can be booked now. */
export async function findBookableRoom(db: Db, id: number): Promise<BookableRoom | undefined> {
  const room = await Room.query(db).findById(id);
  return room && bookable(room);
}

/** The room's hours and slots, as the rules of slots read them. */
export function hoursOf(room: Room): RoomHours {
  return {
    timeZone: room.time_zone,
    slotMinutes: room.slot_duration_minutes,
    openingMinute: parseTimeOfDay(room.opening_time),
    closingMinute: parseTimeOfDay(room.closing_time),
  };
}

function bookable(room: Room): BookableRoom {
  return {
    ...hoursOf(room),
    id: room.id,
    version: room.version,
    name: room.name,
    isAvailable: room.is_available,
    capacity: room.capacity,
    priceMinor: room.price_minor,
    currency: room.currency,
  };
}

/**
 * Rooms remembered in this process: they change seldom and every booking needs one. A stale one does no harm as long as
 * it is not believed: `hold_slot` compares the version under the room's lock, and whoever would refuse for a rule of the
 * room forgets it and reads it again.
 */
export function createRoomCache(db: Db) {
  const rooms = new Map<number, Promise<BookableRoom | undefined>>();
  const roomsMax = 10_000;
  return {
    find(id: number): Promise<BookableRoom | undefined> {
      const known = rooms.get(id);
      if (known) return known;
      if (rooms.size >= roomsMax) rooms.clear();
      const found = findBookableRoom(db, id);
      rooms.set(id, found);
      // Neither a failure nor an absence is worth remembering.
      found.then(
        (room) => room?.isAvailable || rooms.delete(id),
        () => rooms.delete(id),
      );
      return found;
    },
    forget(id: number): void {
      rooms.delete(id);
    },
  };
}

export type RoomCache = ReturnType<typeof createRoomCache>;

/** A stay that occupies its room, in minutes of its day on the room's wall clock. */
export interface TakenTime {
  date: string;
  startMinute: number;
  endMinute: number;
  status: 'pending' | 'confirmed' | 'completed';
  /** When a hold ends if it is not paid: its deadline, or later while Stripe says that a payment is under way. */
  freesAt: Date;
}

/** What occupies a room on the dates from `from` to `to`, in the order of time, and the database's clock. */
export async function findTakenTimes(
  db: Db,
  roomId: number,
  from: string,
  to: string,
): Promise<{ now: Date; taken: TakenTime[] }> {
  const found = await prepared<TakenTime & { now: Date }>(
    db,
    'taken_times',
    `select clock.now, b.booking_date::text as date, (extract(epoch from b.start_time) / 60)::integer as "startMinute",
            (extract(epoch from b.end_time) / 60)::integer as "endMinute", b.status, settle_at(b) as "freesAt"
       from (select clock_timestamp() as now) clock
       left join (claims c join bookings b on b.id = c.booking_id)
         on c.room_id = ? and c.during && tsrange(?::date, ?::date + 1)
      order by c.during`,
    [roomId, from, to],
  );
  return { now: found[0]?.now ?? new Date(), taken: found.filter((row) => row.date !== null) };
}
