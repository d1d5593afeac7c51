import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Problem } from '../../domain/problems.ts';
import {
  formatTimeOfDay,
  localDate,
  parseTimeOfDay,
  quote,
  rangeOf,
  resolveRange,
  slotsOf,
} from '../../domain/slots.ts';

const zones = [
  'UTC',
  'Europe/Berlin',
  'America/Sao_Paulo',
  'Australia/Lord_Howe',
  'Pacific/Apia',
  'Africa/Cairo',
  'Asia/Kathmandu',
  'America/St_Johns',
];
const zone = fc.constantFrom(...zones);
/** Any day of decades with changes of every kind in them. */
const date = fc
  .date({ min: new Date('2008-01-01'), max: new Date('2036-01-01'), noInvalidDate: true })
  .map((day) => day.toISOString().slice(0, 10));
const minute = fc.integer({ min: 0, max: 1440 });

/** A room with a grid that fits its opening hours, as the table demands. */
const room = fc
  .record({
    timeZone: zone,
    slotMinutes: fc.constantFrom(5, 15, 20, 30, 45, 60, 90, 1440),
    openingMinute: fc.integer({ min: 0, max: 1439 }),
    slots: fc.integer({ min: 1, max: 96 }),
    capacity: fc.integer({ min: 1, max: 500 }),
    priceMinor: fc.integer({ min: 1, max: 1_000_000 }),
  })
  .map(({ slots, ...rest }) => {
    const fitting = Math.min(slots, Math.floor((1440 - rest.openingMinute) / rest.slotMinutes));
    return {
      ...rest,
      currency: 'usd',
      closingMinute: rest.openingMinute + fitting * rest.slotMinutes,
      fitting,
    };
  })
  .filter(({ fitting }) => fitting > 0);

describe('whatever the room and the day', () => {
  test('a room whose zone or hours are edited keeps the times of day of its stays, as long as they can be booked', () => {
    const start = fc.integer({ min: 0, max: 1380 });
    const length = fc.integer({ min: 5, max: 60 });
    fc.assert(
      fc.property(
        date,
        start,
        length,
        fc.array(zone, { minLength: 2, maxLength: 5 }),
        (day, from, minutes, edits) => {
          for (const timeZone of edits) {
            const { startsAt, endsAt } = resolveRange(day, from, from + minutes, timeZone);
            expect(+endsAt).toBeGreaterThan(+startsAt);
            const bookable = rangeOf(day, from, from + minutes, timeZone);
            if (!bookable) continue;
            expect({ startsAt, endsAt }).toEqual(bookable);
            const shown = new Intl.DateTimeFormat('en-GB', { timeZone, timeStyle: 'short' }).format(startsAt);
            expect([localDate(startsAt, timeZone), parseTimeOfDay(shown)]).toEqual([day, from]);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test('a quote is the price of a slot times the slots, and as long as they are', () => {
    fc.assert(
      fc.property(room, date, fc.nat(95), fc.nat(95), (made, day, from, length) => {
        const first = from % made.fitting;
        const slots = 1 + (length % (made.fitting - first));
        const startMinute = made.openingMinute + first * made.slotMinutes;
        const endMinute = startMinute + slots * made.slotMinutes;
        try {
          const quoted = quote(made, { date: day, startMinute, endMinute, guestCount: made.capacity });
          expect(quoted.numberOfSlots).toBe(slots);
          expect(quoted.amountMinor).toBe(slots * made.priceMinor);
          expect(+quoted.endsAt - +quoted.startsAt).toBe(slots * made.slotMinutes * 60_000);
        } catch (error) {
          // On a day with a change of the clocks a range may not be what it says.
          if (!(error instanceof Problem) || error.code !== 'clock_change') throw error;
        }
      }),
      { numRuns: 200 },
    );
  });

  test('slots beside each other touch and never overlap, over midnight too', () => {
    fc.assert(
      fc.property(room, date, (made, day) => {
        const next = new Date(Date.parse(day) + 86_400_000).toISOString().slice(0, 10);
        const ranges = [...slotsOf(made, day), ...slotsOf(made, next)].flatMap(({ range }) => range ?? []);
        for (const [index, range] of ranges.entries()) {
          expect(+range.endsAt - +range.startsAt).toBe(made.slotMinutes * 60_000);
          const after = ranges[index + 1];
          if (after) expect(+after.startsAt).toBeGreaterThanOrEqual(+range.endsAt);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('two ranges of one day that do not overlap on the wall do not overlap in time', () => {
    fc.assert(
      fc.property(
        zone,
        date,
        fc.uniqueArray(minute, { minLength: 4, maxLength: 4 }),
        (timeZone, day, minutes) => {
          const [a = 0, b = 0, c = 0, d = 0] = minutes.sort((x, y) => x - y);
          const [first, second] = [rangeOf(day, a, b, timeZone), rangeOf(day, c, d, timeZone)];
          if (first && second) expect(+second.startsAt).toBeGreaterThanOrEqual(+first.endsAt);
          const [touching, touched] = [rangeOf(day, a, b, timeZone), rangeOf(day, b, c, timeZone)];
          if (touching && touched) expect(touched.startsAt).toEqual(touching.endsAt);
        },
      ),
      { numRuns: 200 },
    );
  });

  test('a range that can be booked is on its own date, at its own time of day', () => {
    fc.assert(
      fc.property(zone, date, fc.integer({ min: 0, max: 1439 }), (timeZone, day, start) => {
        const range = rangeOf(day, start, start + 1, timeZone);
        if (!range) return;
        expect(localDate(range.startsAt, timeZone)).toBe(day);
        const shown = new Intl.DateTimeFormat('en-GB', { timeZone, timeStyle: 'short' }).format(
          range.startsAt,
        );
        expect(parseTimeOfDay(shown)).toBe(start);
      }),
      { numRuns: 150 },
    );
  });

  test('an ordinary day has every slot', () => {
    // June: none of these zones changes its clocks then.
    fc.assert(
      fc.property(room, fc.integer({ min: 2024, max: 2035 }), (made, year) => {
        expect(slotsOf(made, `${year}-06-15`).every(({ range }) => range)).toBe(true);
      }),
    );
  });

  test('a time of day is read as it is written', () => {
    fc.assert(
      fc.property(minute, (at) => {
        expect(parseTimeOfDay(formatTimeOfDay(at))).toBe(at);
      }),
    );
  });
});
