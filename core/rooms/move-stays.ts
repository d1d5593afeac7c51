import type { Db } from '../../db/knex.ts';
import { lockOpenStays, type NewInstants, type OpenStay, writeInstants } from '../../db/stay-instants.ts';
import { Problem } from '../../domain/problems.ts';
import { rangeOf } from '../../domain/slots.ts';

/** A booking that stands in the way of a new time zone, as the refusal lists it. */
export interface StayAhead {
  id: number;
  booking_date: string;
  start_time: string;
  end_time: string;
  status: 'pending' | 'confirmed';
  /** Why it cannot move, where that is the refusal. */
  reason?: 'in_the_past' | 'clock_change';
}

/** A refusal lists no more bookings than this; `count` says how many there are. */
const listedMax = 50;

/**
 * Lets the open bookings of a room keep their wall-clock time in another time zone, so that their instants change. The
 * caller holds the room's lock, and sets the room's zone in the same transaction.
 * @throws Problem bookings_ahead (nobody has said that they keep it), bookings_cannot_move (one would begin in the past, or
 *   the clocks of the new zone change in it); both list the bookings
 */
export async function moveStays(
  trx: Db,
  room: { id: number; timeZone: string; keepWallClock: boolean; actor: string },
): Promise<void> {
  const stays = await lockOpenStays(trx, room.id);
  if (stays.length === 0) return;
  if (!room.keepWallClock) throw new Problem('bookings_ahead', { members: listOf(stays.map(viewStay)) });
  const moved: NewInstants[] = [];
  const stuck: StayAhead[] = [];
  for (const stay of stays) {
    const range = rangeOf(stay.date, stay.startMinute, stay.endMinute, room.timeZone);
    if (!range) stuck.push({ ...viewStay(stay), reason: 'clock_change' });
    else if (range.startsAt <= stay.now) stuck.push({ ...viewStay(stay), reason: 'in_the_past' });
    else moved.push({ id: stay.id, ...range });
  }
  if (stuck.length > 0) throw new Problem('bookings_cannot_move', { members: listOf(stuck) });
  await writeInstants(trx, moved, { timeZone: room.timeZone, actor: room.actor, cause: 'room_zone_changed' });
}

function viewStay(stay: OpenStay): StayAhead {
  return {
    id: stay.id,
    booking_date: stay.date,
    start_time: stay.startTime,
    end_time: stay.endTime,
    status: stay.status,
  };
}

const listOf = (bookings: readonly StayAhead[]) => ({
  count: bookings.length,
  bookings: bookings.slice(0, listedMax),
});
