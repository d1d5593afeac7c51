import { describe, expect, test } from 'vitest';
import { Problem } from '../../domain/problems.ts';
import {
  datesBetween,
  formatTimeOfDay,
  isTimeZone,
  localDate,
  parseEndOfRange,
  parseTimeOfDay,
  type PricedRoom,
  quote,
  rangeOf,
  resolveRange,
  type SlotRequest,
  slotsOf,
} from '../../domain/slots.ts';

const room: PricedRoom = {
  timeZone: 'Europe/Berlin',
  slotMinutes: 30,
  openingMinute: 8 * 60,
  closingMinute: 20 * 60,
  capacity: 10,
  priceMinor: 2_000,
  currency: 'eur',
};
const request: SlotRequest = { date: '2030-06-03', startMinute: 540, endMinute: 600, guestCount: 2 };
const hour = (h: number, m = 0) => h * 60 + m;

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    return error instanceof Problem ? error.code : String(error);
  }
}

describe('times of day', () => {
  test.each([
    ['00:00', 0],
    ['09:30', 570],
    ['09:30:00', 570],
    ['23:59', 1439],
    ['24:00', 1440],
  ])('%s is minute %i', (text, minute) => {
    expect(parseTimeOfDay(text)).toBe(minute);
    expect(formatTimeOfDay(minute)).toBe(`${text.slice(0, 5)}:00`);
  });

  test.each([
    ['00:00', 1440],
    ['00:00:00', 1440],
    ['24:00', 1440],
    ['00:30', 30],
  ])('%s as an end is minute %i', (text, minute) => {
    expect(parseEndOfRange(text)).toBe(minute);
  });

  test('a time with seconds falls on no slot', () => {
    expect(parseTimeOfDay('09:30:30')).toBe(570.5);
  });

  test.each([
    '',
    '9:30',
    '09:60',
    '24:01',
    '25:00',
    '09:30:60',
    '24:00:01',
    '09:30Z',
    ' 09:30',
    '09.30',
    '0９:30',
    '-1:00',
  ])('%j is none', (text) => {
    expect(() => parseTimeOfDay(text)).toThrow(RangeError);
  });
});

describe('dates and zones', () => {
  test('a date is the room’s own, not UTC’s', () => {
    const at = new Date('2030-01-01T23:30:00Z');
    expect(localDate(at, 'UTC')).toBe('2030-01-01');
    expect(localDate(at, 'Europe/Berlin')).toBe('2030-01-02');
    expect(localDate(at, 'America/Sao_Paulo')).toBe('2030-01-01');
    expect(localDate(at, 'Pacific/Apia')).toBe('2030-01-02');
  });

  test('days are listed with both ends, over leap days and year ends', () => {
    expect(datesBetween('2028-02-28', '2028-03-01')).toEqual(['2028-02-28', '2028-02-29', '2028-03-01']);
    expect(datesBetween('2029-12-31', '2030-01-01')).toHaveLength(2);
    expect(datesBetween('2030-01-01', '2030-01-01')).toEqual(['2030-01-01']);
    expect(datesBetween('2030-01-02', '2030-01-01')).toEqual([]);
  });

  test.each(['UTC', 'Europe/Berlin', 'Australia/Lord_Howe', 'America/Argentina/Buenos_Aires'])(
    '%s is a time zone',
    (zone) => expect(isTimeZone(zone)).toBe(true),
  );
  test.each(['', 'Mars/Olympus', '+02:00', '-03', 'Europe/Berlin ', '../etc/passwd'])(
    '%j is no time zone for a room',
    (zone) => expect(isTimeZone(zone)).toBe(false),
  );
});

describe('a quote', () => {
  test('prices the slots and says when they are', () => {
    expect(quote(room, request)).toEqual({
      startsAt: new Date('2030-06-03T07:00:00Z'),
      endsAt: new Date('2030-06-03T08:00:00Z'),
      numberOfSlots: 2,
      amountMinor: 4_000,
      currency: 'eur',
    });
  });

  test.each<[string, string | undefined, Partial<SlotRequest>, Partial<PricedRoom>]>([
    ['the whole day', undefined, { startMinute: 480, endMinute: 1200 }, {}],
    ['the last slot', undefined, { startMinute: 1170, endMinute: 1200 }, {}],
    ['up to midnight', undefined, { startMinute: 1380, endMinute: 1440 }, { closingMinute: 1440 }],
    ['as many guests as it holds', undefined, { guestCount: 10 }, {}],
    [
      'a grid that begins at a quarter past',
      undefined,
      { startMinute: 525, endMinute: 555 },
      { openingMinute: 495 },
    ],
    ['no time at all', 'end_before_start', { endMinute: 540 }, {}],
    ['an end before the start', 'end_before_start', { endMinute: 510 }, {}],
    ['before opening', 'outside_opening_hours', { startMinute: 450 }, {}],
    ['after closing', 'outside_opening_hours', { endMinute: 1230 }, {}],
    ['a start off the grid', 'off_grid', { startMinute: 545 }, {}],
    ['an end off the grid', 'off_grid', { endMinute: 599 }, {}],
    ['the full hour on a grid at a quarter past', 'off_grid', {}, { openingMinute: 495 }],
    ['one guest too many', 'over_capacity', { guestCount: 11 }, {}],
    ['97 slots', 'too_long', { startMinute: 0, endMinute: 485 }, { slotMinutes: 5, openingMinute: 0 }],
    ['96 slots', undefined, { startMinute: 0, endMinute: 480 }, { slotMinutes: 5, openingMinute: 0 }],
    [
      'the hour that is not',
      'clock_change',
      { date: '2030-03-31', startMinute: 60, endMinute: 240 },
      { openingMinute: 0 },
    ],
  ])('%s: %s', (_, code, change, ofRoom) => {
    expect(codeOf(() => quote({ ...room, ...ofRoom }, { ...request, ...change }))).toBe(code);
  });
});

describe('days on which the clocks change', () => {
  /** Wall-clock ranges and the instants they are; undefined: they cannot be booked. */
  test.each<[string, string, number, number, [string, string] | undefined]>([
    // Forward at 02:00 to 03:00.
    ['Europe/Berlin', '2030-03-31', hour(1), hour(2), undefined],
    ['Europe/Berlin', '2030-03-31', hour(1), hour(1, 30), ['2030-03-31T00:00Z', '2030-03-31T00:30Z']],
    ['Europe/Berlin', '2030-03-31', hour(2), hour(2, 30), undefined],
    ['Europe/Berlin', '2030-03-31', hour(3), hour(4), ['2030-03-31T01:00Z', '2030-03-31T02:00Z']],
    ['Europe/Berlin', '2030-03-31', hour(1), hour(4), undefined],
    ['Europe/Berlin', '2030-03-31', hour(23), hour(24), ['2030-03-31T21:00Z', '2030-03-31T22:00Z']],
    // Back at 03:00 to 02:00: the hour from 2 to 3 is there twice.
    ['Europe/Berlin', '2030-10-27', hour(2), hour(2, 30), undefined],
    ['Europe/Berlin', '2030-10-27', hour(1), hour(3), undefined],
    ['Europe/Berlin', '2030-10-27', hour(1), hour(1, 30), ['2030-10-26T23:00Z', '2030-10-26T23:30Z']],
    ['Europe/Berlin', '2030-10-27', hour(3), hour(4), ['2030-10-27T02:00Z', '2030-10-27T03:00Z']],
    // Forward at midnight: the day begins at one.
    ['America/Sao_Paulo', '2018-11-04', hour(0), hour(0, 30), undefined],
    ['America/Sao_Paulo', '2018-11-04', hour(1), hour(2), ['2018-11-04T03:00Z', '2018-11-04T04:00Z']],
    // Back at midnight: the last hour of the day before is there twice.
    ['America/Sao_Paulo', '2018-02-17', hour(23), hour(23, 30), undefined],
    ['America/Sao_Paulo', '2018-02-17', hour(22), hour(22, 30), ['2018-02-18T00:00Z', '2018-02-18T00:30Z']],
    ['America/Sao_Paulo', '2018-02-18', hour(0), hour(1), ['2018-02-18T03:00Z', '2018-02-18T04:00Z']],
    // Half an hour only.
    ['Australia/Lord_Howe', '2030-10-06', hour(2), hour(2, 30), undefined],
    ['Australia/Lord_Howe', '2030-10-06', hour(2, 30), hour(3), ['2030-10-05T15:30Z', '2030-10-05T16:00Z']],
    ['Australia/Lord_Howe', '2030-04-07', hour(1, 30), hour(2), undefined],
    ['Australia/Lord_Howe', '2030-04-07', hour(2), hour(2, 30), ['2030-04-06T15:30Z', '2030-04-06T16:00Z']],
    // The day that never was.
    ['Pacific/Apia', '2011-12-30', hour(9), hour(10), undefined],
    ['Pacific/Apia', '2011-12-29', hour(9), hour(10), ['2011-12-29T19:00Z', '2011-12-29T20:00Z']],
    ['Pacific/Apia', '2011-12-31', hour(9), hour(10), ['2011-12-30T19:00Z', '2011-12-30T20:00Z']],
    // Forward at midnight on the last Friday of April, back at midnight on the last Thursday of October.
    ['Africa/Cairo', '2030-04-26', hour(0), hour(1), undefined],
    ['Africa/Cairo', '2030-04-26', hour(1), hour(2), ['2030-04-25T22:00Z', '2030-04-25T23:00Z']],
    ['Africa/Cairo', '2030-10-31', hour(23), hour(23, 30), undefined],
    ['Africa/Cairo', '2030-11-01', hour(0), hour(1), ['2030-10-31T22:00Z', '2030-10-31T23:00Z']],
  ])('%s, %s: %i to %i', (zone, date, start, end, instants) => {
    const expected = instants && { startsAt: new Date(instants[0]), endsAt: new Date(instants[1]) };
    expect(rangeOf(date, start, end, zone)).toEqual(expected);
  });

  test.each<[string, string, number, number, [string, string]]>([
    // An ordinary time is what it is.
    ['Europe/Berlin', '2030-06-03', hour(9), hour(10), ['2030-06-03T07:00Z', '2030-06-03T08:00Z']],
    // Skipped: as much later. Wholly skipped: as long as it says.
    ['Europe/Berlin', '2030-03-31', hour(1), hour(2, 30), ['2030-03-31T00:00Z', '2030-03-31T01:30Z']],
    ['Europe/Berlin', '2030-03-31', hour(2), hour(3), ['2030-03-31T01:00Z', '2030-03-31T02:00Z']],
    // Twice: the earlier.
    ['Europe/Berlin', '2030-10-27', hour(2), hour(2, 30), ['2030-10-27T00:00Z', '2030-10-27T00:30Z']],
    ['Europe/Berlin', '2030-10-27', hour(1), hour(4), ['2030-10-26T23:00Z', '2030-10-27T03:00Z']],
  ])('%s, %s: %i to %i is resolved where it cannot be refused', (zone, date, start, end, instants) => {
    const [startsAt, endsAt] = instants.map((at) => new Date(at));
    expect(resolveRange(date, start, end, zone)).toEqual({ startsAt, endsAt });
  });

  test('the grid shows the slots that the day does not have as closed', () => {
    const hours = { timeZone: 'Europe/Berlin', slotMinutes: 60, openingMinute: 0, closingMinute: 1440 };
    const closed = (date: string) =>
      slotsOf(hours, date)
        .filter((slot) => !slot.range)
        .map((slot) => formatTimeOfDay(slot.startMinute));
    expect(closed('2030-03-31')).toEqual(['01:00:00', '02:00:00']);
    expect(closed('2030-10-27')).toEqual(['01:00:00', '02:00:00']);
    expect(closed('2030-06-03')).toEqual([]);
    expect(slotsOf(hours, '2030-06-03')).toHaveLength(24);
  });
});
