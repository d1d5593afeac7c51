import { Temporal as Calendar } from 'temporal-polyfill';
import { type DayClock, dayClock, type DayClocks } from './day-clock.ts';
import { slotsPerBookingMax } from './limits.ts';
import { fieldProblem } from './problems.ts';

/** The opening hours and slots of a room. Times of day are minutes since midnight on the room's own clock. */
export interface RoomHours {
  timeZone: string;
  slotMinutes: number;
  openingMinute: number;
  closingMinute: number;
}

export interface PricedRoom extends RoomHours {
  capacity: number;
  priceMinor: number;
  currency: string;
}

export interface SlotRequest {
  /** `YYYY-MM-DD` on the room's calendar. */
  date: string;
  startMinute: number;
  endMinute: number;
  guestCount: number;
}

export interface Quote {
  startsAt: Date;
  endsAt: Date;
  numberOfSlots: number;
  amountMinor: number;
  currency: string;
}

/** `09:30` or `09:30:00` → 570, `09:30:30` → 570.5. `24:00` is a day's end. @throws RangeError for anything else */
export function parseTimeOfDay(text: string): number {
  const [, hour, minute, second = '0'] = /^(\d{2}):(\d{2})(?::(\d{2}))?$/.exec(text) ?? [];
  const minutes = Number(hour) * 60 + Number(minute) + Number(second) / 60;
  if (!(Number(minute) < 60 && Number(second) < 60 && minutes <= 1440))
    throw new RangeError(`no time of day: ${text}`);
  return minutes;
}

/** The end of a range, as minutes of the day it begins on: `00:00` is the midnight that the day ends with, like `24:00`. */
export const parseEndOfRange = (text: string): number => parseTimeOfDay(text) || 1440;

/** 570 → `09:30:00`. @throws RangeError for what is no minute of a day */
export function formatTimeOfDay(minutes: number): string {
  if (!Number.isInteger(minutes) || minutes < 0 || minutes > 1440) {
    throw new RangeError(`no minute of a day: ${minutes}`);
  }
  const hours = String(Math.floor(minutes / 60)).padStart(2, '0');
  return `${hours}:${String(minutes % 60).padStart(2, '0')}:00`;
}

/** Does the zone exist in this runtime's time zone data? */
export function isTimeZone(name: string): boolean {
  try {
    Calendar.Now.zonedDateTimeISO(name);
    return !/^[+-]/.test(name);
  } catch {
    return false;
  }
}

/** The date on the room's calendar at an instant, `YYYY-MM-DD`. */
export function localDate(at: Date, timeZone: string): string {
  return Calendar.Instant.fromEpochMilliseconds(at.getTime())
    .toZonedDateTimeISO(timeZone)
    .toPlainDate()
    .toString();
}

/** The dates from `from` to `to`, both included. */
export function datesBetween(from: string, to: string): string[] {
  const last = Calendar.PlainDate.from(to);
  const dates: string[] = [];
  for (
    let day = Calendar.PlainDate.from(from);
    Calendar.PlainDate.compare(day, last) <= 0;
    day = day.add({ days: 1 })
  ) {
    dates.push(day.toString());
  }
  return dates;
}

/**
 * The half-open range of instants `[start, end)` of a wall-clock range, or undefined where the clocks change in
 * it: such a range would be longer or shorter than it says, so it cannot be booked (docs/architecture.md).
 */
export function rangeOf(
  date: string,
  startMinute: number,
  endMinute: number,
  timeZone: string,
  clocks: DayClocks = dayClock,
): { startsAt: Date; endsAt: Date } | undefined {
  return rangeBy(clocks(date, timeZone), startMinute, endMinute);
}

function rangeBy(clock: DayClock, startMinute: number, endMinute: number) {
  const start = clock(startMinute);
  const end = clock(endMinute);
  if (start === undefined || end === undefined) return undefined;
  if (end - start !== (endMinute - startMinute) * 60_000) return undefined;
  return { startsAt: new Date(start), endsAt: new Date(end) };
}

/**
 * The instants of a stay that can no longer be refused, even if the clocks change in it. Of a time that the day has twice
 * it takes the earlier; a time that the day lacks it shifts by the gap (`compatible` in RFC 5545 and in the calendar).
 */
export function resolveRange(
  date: string,
  startMinute: number,
  endMinute: number,
  timeZone: string,
): { startsAt: Date; endsAt: Date } {
  const range = rangeOf(date, startMinute, endMinute, timeZone);
  if (range) return range;
  const day = Calendar.PlainDate.from(date);
  const [start, end] = [startMinute, endMinute].map(
    (minute) =>
      day
        .toPlainDateTime()
        .add({ milliseconds: Math.round(minute * 60_000) })
        .toZonedDateTime(timeZone).epochMilliseconds,
  ) as [number, number];
  // A stay within the skipped hour would otherwise end before it begins.
  const endsAt = end > start ? end : start + (endMinute - startMinute) * 60_000;
  return { startsAt: new Date(start), endsAt: new Date(endsAt) };
}

/**
 * Checks a request against the room's rules and prices it: price of a slot × slots. The database checks past and horizon
 * by its own clock, and other bookings.
 * @param clocks a cache of `dayClock`, if the caller has one
 * @throws Problem end_before_start, outside_opening_hours, off_grid, too_long, over_capacity, clock_change
 */
export function quote(room: PricedRoom, request: SlotRequest, clocks?: DayClocks): Quote {
  const { startMinute, endMinute } = request;
  if (endMinute <= startMinute) {
    throw fieldProblem('end_before_start', 'end_time', 'end_time must be after start_time.');
  }
  const hours = `${formatTimeOfDay(room.openingMinute)} to ${formatTimeOfDay(room.closingMinute)}`;
  if (startMinute < room.openingMinute || endMinute > room.closingMinute) {
    const field = startMinute < room.openingMinute ? 'start_time' : 'end_time';
    throw fieldProblem('outside_opening_hours', field, `The room is open from ${hours} (${room.timeZone}).`);
  }
  for (const [field, minute] of [
    ['start_time', startMinute],
    ['end_time', endMinute],
  ] as const) {
    if ((minute - room.openingMinute) % room.slotMinutes !== 0) {
      const grid = `Slots are ${room.slotMinutes} minutes long and begin at ${formatTimeOfDay(room.openingMinute)}.`;
      throw fieldProblem('off_grid', field, grid);
    }
  }
  const numberOfSlots = (endMinute - startMinute) / room.slotMinutes;
  if (numberOfSlots > slotsPerBookingMax) {
    throw fieldProblem('too_long', 'end_time', `A booking has at most ${slotsPerBookingMax} slots.`);
  }
  if (request.guestCount > room.capacity) {
    throw fieldProblem('over_capacity', 'guest_count', `The room holds at most ${room.capacity} guests.`);
  }
  const range = rangeOf(request.date, startMinute, endMinute, room.timeZone, clocks);
  if (!range) {
    throw fieldProblem(
      'clock_change',
      'start_time',
      `The clocks in ${room.timeZone} change during this time.`,
    );
  }
  return { ...range, numberOfSlots, amountMinor: numberOfSlots * room.priceMinor, currency: room.currency };
}

export const slotStatuses = ['free', 'held', 'booked', 'past', 'closed'] as const;
export type SlotStatus = (typeof slotStatuses)[number];

export interface Slot {
  date: string;
  startMinute: number;
  endMinute: number;
  /** Absent where the clocks change: the slot has no instants of its own and is closed. */
  range?: { startsAt: Date; endsAt: Date };
}

/** The grid of one day: every slot between opening and closing. */
export function slotsOf(room: RoomHours, date: string, clocks: DayClocks = dayClock): Slot[] {
  const clock = clocks(date, room.timeZone);
  const slots: Slot[] = [];
  for (let start = room.openingMinute; start < room.closingMinute; start += room.slotMinutes) {
    const end = start + room.slotMinutes;
    const range = rangeBy(clock, start, end);
    slots.push({ date, startMinute: start, endMinute: end, ...(range && { range }) });
  }
  return slots;
}
