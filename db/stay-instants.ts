import { resolveRange } from '../domain/slots.ts';
import { type Db, rows } from './knex.ts';

/** An open booking's time on its room's wall clock, and the instants that stand for it. */
export interface OpenStay {
  id: number;
  ref: string;
  roomId: number;
  status: 'pending' | 'confirmed';
  /** `YYYY-MM-DD` on the room's calendar, `HH:MM:SS` on its clock, and the same in minutes of that day. */
  date: string;
  startTime: string;
  endTime: string;
  startMinute: number;
  endMinute: number;
  startsAt: Date;
  endsAt: Date;
  timeZone: string;
  /** The room's zone as it is now. */
  roomTimeZone: string;
  /** The database's clock. */
  now: Date;
}

const stayColumns = `
  b.id, b.ref, b.room_id as "roomId", b.status, b.booking_date::text as date,
  extract(epoch from b.start_time)::float8 / 60 as "startMinute",
  extract(epoch from b.end_time)::float8 / 60 as "endMinute",
  b.start_time::text as "startTime", b.end_time::text as "endTime",
  lower(b.during) as "startsAt", upper(b.during) as "endsAt", b.time_zone as "timeZone",
  r.time_zone as "roomTimeZone", clock_timestamp() as now`;

/** Locks the bookings of a room that are open and not over yet. The caller holds the room's lock. */
export function lockOpenStays(trx: Db, roomId: number): Promise<OpenStay[]> {
  return rows(
    trx,
    `select ${stayColumns} from claims c join bookings b on b.id = c.booking_id join rooms r on r.id = b.room_id
      where c.room_id = ? and b.status in ('pending', 'confirmed') and upper(b.during) > clock_timestamp()
      order by b.id for no key update of b`,
    [roomId],
  );
}

/** A part of all open bookings, by id: those after `afterId`, at most `limit`. */
export function listOpenStays(db: Db, afterId: number, limit: number): Promise<OpenStay[]> {
  return rows(
    db,
    `select ${stayColumns}
       from (select * from bookings where status in ('pending', 'confirmed') and id > ? order by id limit ?) b
      cross join lateral (select * from rooms where id = b.room_id limit 1) r
      order by b.id`,
    [afterId, limit],
  );
}

export interface NewInstants {
  id: number;
  startsAt: Date;
  endsAt: Date;
}

/** One statement moves at most so many bookings: it must end within the time that statements have. */
const movedAtOnce = 1_000;

/**
 * Gives open bookings other instants: their time on the wall clock, and so their claims, stay. A hold ends at the earlier
 * of its old and its new start. Each gets an event, and a message that lets its workflow read the row again.
 */
export async function writeInstants(
  trx: Db,
  stays: readonly NewInstants[],
  reason: { timeZone: string; actor: string; cause: string },
): Promise<void> {
  for (let from = 0; from < stays.length; from += movedAtOnce) {
    const part = stays.slice(from, from + movedAtOnce);
    await rows(
      trx,
      `with moved as (
         update bookings b
            set during = tstzrange(new.starts_at, new.ends_at), time_zone = ?,
                latest_start = greatest(b.latest_start, lower(b.during), new.starts_at),
                hold_expires_at = least(b.hold_expires_at, new.starts_at),
                settle_after = least(b.settle_after, new.starts_at),
                sequence = b.sequence + 1, updated_at = clock_timestamp()
           from unnest(?::integer[], ?::timestamptz[], ?::timestamptz[]) as new(id, starts_at, ends_at)
          where b.id = new.id and b.status in ('pending', 'confirmed')
         returning b.id, b.ref, b.status, b.workflow_id
       ), noted as (
         insert into booking_events (booking_id, actor, from_status, to_status, cause)
         select id, ?, status, status, ? from moved
       )
       select leave_message('booking_changed', jsonb_build_object('bookingRef', ref, 'workflowId', workflow_id)) from moved`,
      [
        reason.timeZone,
        part.map(({ id }) => id),
        part.map(({ startsAt }) => startsAt.toISOString()),
        part.map(({ endsAt }) => endsAt.toISOString()),
        reason.actor,
        reason.cause,
      ],
    );
  }
}

/**
 * When an expired booking would begin, by its room's zone of today: the zone may have been changed since, and only open
 * bookings were moved with it. The caller holds the locks of room and booking.
 */
export async function followRoomZone(trx: Db, bookingId: number): Promise<Date> {
  const [stay] = await rows<OpenStay>(
    trx,
    `select ${stayColumns} from bookings b join rooms r on r.id = b.room_id where b.id = ?`,
    [bookingId],
  );
  if (!stay) throw new Error(`no booking ${bookingId}`);
  if (stay.timeZone === stay.roomTimeZone) return stay.startsAt;
  const { startsAt, endsAt } = resolveRange(stay.date, stay.startMinute, stay.endMinute, stay.roomTimeZone);
  await rows(trx, 'update bookings set during = tstzrange(?, ?), time_zone = ? where id = ?', [
    startsAt,
    endsAt,
    stay.roomTimeZone,
    bookingId,
  ]);
  return startsAt;
}
