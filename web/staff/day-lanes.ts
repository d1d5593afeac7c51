import type { DayBooking } from './queries/rooms.ts';
import type { Room } from '../../db/models.ts';
import { hoursOf } from '../../db/rooms.ts';
import { parseTimeOfDay, type SlotStatus, slotsOf } from '../../domain/slots.ts';

/** A half-open stretch of a room's day, in minutes since midnight on the room's own clock. */
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
  /** Where the axis begins and ends, on whole hours. */
  fromMinute: number;
  toMinute: number;
  /** The largest step that the edges of all stretches fall on. */
  unitMinutes: number;
  lanes: Lane[];
}

/** The hours that are shown unless the whole day is asked for. A booking outside extends them. */
const usualHours = { fromMinute: 7 * 60, toMinute: 21 * 60 };

/** Lays out a day: one lane per room, each a sequence of stretches without gaps, all on one axis. */
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
    .filter((stretch) => day.whole || stretch.booking)
    .flatMap(({ startMinute, endMinute }) => [startMinute, endMinute]);
  const fromMinute = Math.floor(Math.min(usualHours.fromMinute, ...shown) / 60) * 60;
  const toMinute = Math.ceil(Math.max(usualHours.toMinute, ...shown) / 60) * 60;
  const lanes = drafts.map(({ room, stretches }) => ({
    room,
    stretches: fillGaps(clip(stretches, fromMinute, toMinute), fromMinute, toMinute),
  }));
  const edges = lanes.flatMap(({ stretches }) => stretches.map(({ endMinute }) => endMinute - fromMinute));
  return { fromMinute, toMinute, unitMinutes: edges.reduce(gcd, 60), lanes };
}

function clip(stretches: readonly Stretch[], fromMinute: number, toMinute: number): Stretch[] {
  return stretches
    .filter(({ startMinute, endMinute }) => endMinute > fromMinute && startMinute < toMinute)
    .map((stretch) => ({
      ...stretch,
      startMinute: Math.max(stretch.startMinute, fromMinute),
      endMinute: Math.min(stretch.endMinute, toMinute),
    }));
}

/** The day's bookings, and the slots that none of them touches: a room may have changed its hours since they were made. */
function stretchesOf(room: Room, bookings: readonly DayBooking[], date: string, now: Date): Stretch[] {
  const taken: Stretch[] = bookings.map((booking) => ({
    startMinute: parseTimeOfDay(booking.start_time),
    endMinute: parseTimeOfDay(booking.end_time),
    kind: booking.status === 'pending' ? 'held' : 'booked',
    booking,
  }));
  const open = slotsOf(hoursOf(room), date)
    .filter(
      (slot) =>
        !taken.some((booked) => booked.startMinute < slot.endMinute && booked.endMinute > slot.startMinute),
    )
    .map(({ startMinute, endMinute, range }): Stretch => {
      const kind = !range || !room.is_available ? 'closed' : range.startsAt <= now ? 'past' : 'free';
      return { startMinute, endMinute, kind };
    });
  return [...taken, ...open].sort((a, b) => a.startMinute - b.startMinute);
}

/** Fills gaps as closed, and merges neighbours that are both closed or both past. */
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
