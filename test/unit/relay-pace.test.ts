import { describe, expect, test } from 'vitest';
import { backoffMs, batchMax, concurrencyFor, startsPerBatch } from '../../api/relay/pace.ts';

describe('the pace of the relay', () => {
  test.each([
    [{ state: 'stopped', loadIsHigh: false, requestsInFlight: 0 }, 0],
    [{ state: 'backing-off', loadIsHigh: false, requestsInFlight: 0 }, 1],
    [{ state: 'carrying', loadIsHigh: false, requestsInFlight: 0 }, 12],
    [{ state: 'carrying', loadIsHigh: false, requestsInFlight: 1 }, 12],
    [{ state: 'carrying', loadIsHigh: false, requestsInFlight: 2 }, 3],
    [{ state: 'carrying', loadIsHigh: true, requestsInFlight: 0 }, 3],
  ] as const)('%o: %i messages at once', (situation, atOnce) => {
    expect(concurrencyFor(situation)).toBe(atOnce);
  });

  test.each([
    [0, 8],
    [30_000, 32],
    [60_000, batchMax],
    [3_600_000, batchMax],
  ])('starts that have waited for %i ms: %i are claimed at a time', (oldestMs, count) => {
    expect(startsPerBatch(oldestMs)).toBe(count);
  });

  test.each([
    [1, 0, 250],
    [1, 1, 500],
    [3, 0.5, 1_500],
    [50, 1, 2_000],
  ])('after %i failures in a row, with chance %d: a pause of %i ms', (failures, random, ms) => {
    expect(backoffMs(failures, random)).toBe(ms);
  });
});
