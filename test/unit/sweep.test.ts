import { describe, expect, test } from 'vitest';
import { afterRound, type Round, roundSize, type Sweep } from '../../domain/sweep.ts';

const nowMs = Date.parse('2030-06-01T12:00:00Z');
const minutesAgo = (minutes: number) => new Date(nowMs - minutes * 60_000).toISOString();
const calm: Sweep = { afterId: 7, seen: 100, lost: 0, open: 300_000, hurry: false, at: minutesAgo(1) };
const round: Round = { lastId: 900, seen: 1_000, lost: 0, running: 300_000, nowMs };

describe('how many open bookings a round of the reconciler looks at', () => {
  test.each<[string, Sweep | undefined, number]>([
    ['as many as it can before there was a lap', undefined, Infinity],
    ['as many as it can in its first lap', { ...calm, open: undefined as never }, Infinity],
    ['as many as it can in a hurry', { ...calm, hurry: true }, Infinity],
    ['a three hundredth of 300,000, a minute after the last', calm, 1_000],
    ['as many more as the rounds are further apart', { ...calm, at: minutesAgo(5) }, 5_000],
    ['no more than an hour’s after a pause of days', { ...calm, at: minutesAgo(9_000) }, 60_000],
    ['two hundred where few are open', { ...calm, open: 300 }, 200],
    ['two hundred where the clock went back', { ...calm, at: minutesAgo(-10) }, 200],
  ])('%s', (_, sweep, rows) => {
    expect(roundSize(sweep, nowMs)).toBe(rows);
  });

  test('all open bookings are gone round within six hours, at a round a minute', () => {
    for (const open of [200, 10_000, 300_000, 3_000_000]) {
      const minutes = Math.ceil(open / roundSize({ ...calm, open }, nowMs));
      expect(minutes).toBeLessThan(6 * 60);
    }
  });
});

describe('what a round makes of the sweep', () => {
  test.each<[string, Sweep | undefined, Partial<Round>, Partial<Sweep>]>([
    ['goes on where it ended', calm, {}, { afterId: 900, seen: 1_100, open: 300_000, hurry: false }],
    [
      'begins anew at the end of a lap, and knows how many were open',
      calm,
      { lastId: undefined },
      { afterId: 0, seen: 0, open: 1_100, hurry: false },
    ],
    ['hurries once a workflow was lost', calm, { lost: 1 }, { hurry: true, lost: 1 }],
    ['hurries to the end of the lap', { ...calm, hurry: true, lost: 1 }, {}, { hurry: true }],
    [
      'hurries through one more lap after one that has found any',
      { ...calm, hurry: true, lost: 1 },
      { lastId: undefined },
      { hurry: true, lost: 0 },
    ],
    [
      'is calm after a lap that has found none',
      { ...calm, hurry: true },
      { lastId: undefined },
      { hurry: false },
    ],
    [
      'hurries while Temporal runs fewer workflows than bookings are open',
      calm,
      { running: 290_000 },
      { hurry: true },
    ],
    ['is not disturbed by counts of different minutes', calm, { running: 297_000 }, { hurry: false }],
    ['is not disturbed by workflows beyond the open bookings', calm, { running: 400_000 }, { hurry: false }],
    ['goes by what it finds where Temporal cannot count', calm, { running: undefined }, { hurry: false }],
    ['hurries until its first lap is done', undefined, {}, { hurry: true, seen: 1_000 }],
  ])('%s', (_, last, part, expected) => {
    expect(afterRound(last, { ...round, ...part })).toMatchObject({
      ...expected,
      at: '2030-06-01T12:00:00.000Z',
    });
  });
});
