import { Temporal as Calendar } from 'temporal-polyfill';

/** Minute of a day → epoch milliseconds; undefined for a time that the day does not have, or has twice. */
export type DayClock = (minute: number) => number | undefined;

/** Gives the clock of a day, `YYYY-MM-DD`, in a zone: `dayClock` itself, or a cache of it. */
export type DayClocks = (date: string, timeZone: string) => DayClock;

/** The clock of one day by the rules of its zone: a day lacks a time when clocks go forward, and has one twice when they go back. */
export function dayClock(date: string, timeZone: string): DayClock {
  const day = Calendar.PlainDate.from(date);
  const midnight = day.toZonedDateTime(timeZone);
  const next = day.add({ days: 1 }).toZonedDateTime(timeZone);
  // No zone has changed its offset twice in one day.
  const hasMidnight = midnight.toPlainDateTime().equals(day.toPlainDateTime());
  const isPlain = hasMidnight && midnight.offsetNanoseconds === next.offsetNanoseconds;
  return isPlain
    ? (minute) => midnight.epochMilliseconds + minute * 60_000
    : (minute) => resolveOnce(day, minute, timeZone);
}

function resolveOnce(day: Calendar.PlainDate, minute: number, timeZone: string): number | undefined {
  const local = day.toPlainDateTime().add({ milliseconds: Math.round(minute * 60_000) });
  try {
    return local.toZonedDateTime(timeZone, { disambiguation: 'reject' }).epochMilliseconds;
  } catch {
    return undefined;
  }
}
