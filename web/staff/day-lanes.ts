import type { DayBooking } from './queries/rooms.ts';
import type { Room } from '../../db/models.ts';
import { hoursOf } from '../../db/rooms.ts';
import { parseTimeOfDay, type SlotStatus, slotsOf } from '../../domain/slots.ts';

/** A stretch of a room's day, half-open, in minutes of the room's own clock. */
export interface Stretch {
  startMinute: number;
  endMinute: number;
  kind: SlotStatus;
  booking?: DayBooking;
}

export interface Lane {
  room: Room;
  stretches: Stretch[];
}

export interface DayGrid {
  /** The axis, in whole hours. */
  fromMinute: number;
  toMinute: number;
  /** The greatest step that all stretches fall on. */
  unitMinutes: number;
  lanes: Lane[];
}

/** What a day shows unless all of it is asked for; a booking outside stretches it. */
const usualHours = { fromMinute: 7 * 60, toMinute: 21 * 60 };

/** The day of every room as one lane of stretches without gaps, all on one axis. */
export function layOutDay(
  rooms: readonly Room[],
  bookings: readonly DayBooking[],
  day: { date: string; now: Date; whole: boolean },
): DayGrid {
  const taken = new Map<number, DayBooking[]>(rooms.map((room) => [room.id, []]));
  for (const booking of bookings) taken.get(booking.room_id)?.push(booking);
  const drafts = rooms.map((room) => {
    return { room, stretches: stretchesOf(room, taken.get(room.id) ?? [], day.date, day.now) };
  });
  const shown = drafts
    .flatMap(({ stretches }) => stretches)
    .filter((one) => day.whole || one.booking)
    .flatMap((one) => [one.startMinute, one.endMinute]);
  const fromMinute = Math.floor(Math.min(usualHours.fromMinute, ...shown) / 60) * 60;
  const toMinute = Math.ceil(Math.max(usualHours.toMinute, ...shown) / 60) * 60;
  const lanes = drafts.map(({ room, stretches }) => ({
    room,
    stretches: fillGaps(clip(stretches, fromMinute, toMinute), fromMinute, toMinute),
  }));
  const edges = lanes.flatMap(({ stretches }) => stretches.map((one) => one.endMinute - fromMinute));
  return { fromMinute, toMinute, unitMinutes: edges.reduce(gcd, 60), lanes };
}

function clip(stretches: readonly Stretch[], fromMinute: number, toMinute: number): Stretch[] {
  return stretches
    .filter((one) => one.endMinute > fromMinute && one.startMinute < toMinute)
    .map((one) => ({
      ...one,
      startMinute: Math.max(one.startMinute, fromMinute),
      endMinute: Math.min(one.endMinute, toMinute),
    }));
}

/** What is taken, as booked at its time, and the slots that nothing touches. A room may have changed its hours since. */
function stretchesOf(room: Room, bookings: readonly DayBooking[], date: string, now: Date): Stretch[] {
  const taken: Stretch[] = bookings.map((booking) => ({
    startMinute: parseTimeOfDay(booking.start_time),
    endMinute: parseTimeOfDay(booking.end_time),
    kind: booking.status === 'pending' ? 'held' : 'booked',
    booking,
  }));
  const open = slotsOf(hoursOf(room), date)
    .filter(
      (slot) => !taken.some((one) => one.startMinute < slot.endMinute && one.endMinute > slot.startMinute),
    )
    .map(({ startMinute, endMinute, range }): Stretch => {
      const kind = !range || !room.is_available ? 'closed' : range.startsAt <= now ? 'past' : 'free';
      return { startMinute, endMinute, kind };
    });
  return [...taken, ...open].sort((a, b) => a.startMinute - b.startMinute);
}

/** Closed where nothing is; neighbours that are closed or past become one. */
function fillGaps(stretches: readonly Stretch[], fromMinute: number, toMinute: number): Stretch[] {
  const filled: Stretch[] = [];
  const add = (stretch: Stretch) => {
    const last = filled.at(-1);
    const joins = last?.kind === stretch.kind && (stretch.kind === 'closed' || stretch.kind === 'past');
    if (last && joins) last.endMinute = stretch.endMinute;
    else filled.push({ ...stretch });
  };
  let at = fromMinute;
  for (const stretch of stretches) {
    if (stretch.startMinute > at) add({ startMinute: at, endMinute: stretch.startMinute, kind: 'closed' });
    add(stretch);
    at = stretch.endMinute;
  }
  if (at < toMinute) add({ startMinute: at, endMinute: toMinute, kind: 'closed' });
  return filled;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
