import { LRUCache } from 'lru-cache';
import { type DayClock, dayClock, type DayClocks } from '../../domain/day-clock.ts';

/** Days of zones that are remembered: five years of one, or a year of five. */
const rememberedMax = 2_000;

/** Day clocks that are made once, since a zone's rules are dear for a booking (docs/performance.md, "a day's clock"). */
export function createDayClocks(): DayClocks {
  const clocks = new LRUCache<string, DayClock>({ max: rememberedMax });
  return (date, timeZone) => {
    const key = `${date} ${timeZone}`;
    const clock = clocks.get(key) ?? dayClock(date, timeZone);
    clocks.set(key, clock);
    return clock;
  };
}
