import { availabilityDaysMax, availabilitySlotsMax } from './limits.ts';
import { fieldProblem } from './problems.ts';
import { datesBetween, localDate, type RoomHours } from './slots.ts';

/** The dates in a client's question: one date, or a range, as `YYYY-MM-DD` on the room's calendar. */
export interface AskedDates {
  date?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
}

const dayMs = 86_400_000;

/**
 * The days that the availability is shown for; by default today on the room's calendar. The number of slots is bounded
 * as well as that of days, since the cost of an answer grows with it. Dates that nobody can or lately could book are
 * refused.
 * @throws Problem invalid_request
 */
export function datesToShow(
  asked: AskedDates,
  room: RoomHours,
  { now, horizonDays }: { now: Date; horizonDays: number },
): string[] {
  if (asked.date && (asked.from || asked.to)) {
    throw fieldProblem('invalid_request', 'date', 'Send either date, or from and to.');
  }
  const from = asked.date ?? asked.from ?? localDate(now, room.timeZone);
  const to = asked.date ?? asked.to ?? from;
  if (to < from) throw fieldProblem('invalid_request', 'to', 'to must not be before from.');
  const days = Math.round((Date.parse(to) - Date.parse(from)) / dayMs) + 1;
  if (days > availabilityDaysMax) {
    throw fieldProblem('invalid_request', 'to', `Ask for at most ${availabilityDaysMax} days.`);
  }
  refuseOutside(asked.date ? 'date' : 'from', from, room.timeZone, { now, horizonDays });
  const slots = slotsADay(room);
  if (days > 1 && days * slots > availabilitySlotsMax) {
    const daysMax = Math.max(1, Math.floor(availabilitySlotsMax / slots));
    const detail = `This room has ${slots} slots a day: ask for at most ${daysMax} days of it.`;
    throw fieldProblem('invalid_request', 'to', detail);
  }
  return datesBetween(from, to);
}

/** Refuses dates before a month ago and after the last day of the horizon. */
function refuseOutside(
  field: 'date' | 'from',
  from: string,
  timeZone: string,
  { now, horizonDays }: { now: Date; horizonDays: number },
): void {
  const first = localDate(new Date(now.getTime() - availabilityDaysMax * dayMs), timeZone);
  const last = localDate(new Date(now.getTime() + horizonDays * dayMs), timeZone);
  if (from < first) {
    throw fieldProblem(
      'invalid_request',
      field,
      `This date is too long ago; the first one shown is ${first}.`,
    );
  }
  if (from > last) {
    const detail = `This date is too far ahead; the last one that can be booked is ${last}.`;
    throw fieldProblem('invalid_request', field, detail);
  }
}

const slotsADay = ({ openingMinute, closingMinute, slotMinutes }: RoomHours) =>
  Math.max(1, Math.floor((closingMinute - openingMinute) / slotMinutes));
