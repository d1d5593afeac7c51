import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chargeStepMinor, toMajor, toMinor } from '../../domain/money.ts';

const currencies = ['usd', 'eur', 'jpy', 'krw', 'kwd', 'bhd', 'isk', 'ugx'];

describe('money', () => {
  test.each([
    [10_050, 'usd', 100.5],
    [1, 'eur', 0.01],
    [0, 'usd', 0],
    [500, 'jpy', 500],
    [1_234, 'kwd', 1.234],
    [500, 'isk', 5],
    [500, 'ugx', 5],
    [2_147_483_647, 'usd', 21_474_836.47],
  ])('%i minor units of %s are %d', (minor, currency, major) => {
    expect(toMajor(minor, currency)).toBe(major);
    expect(toMinor(major, currency)).toBe(minor);
  });

  test.each([
    [0.001, 'usd'],
    [19.999, 'eur'],
    [0.5, 'jpy'],
    [1.2345, 'kwd'],
    [Number.NaN, 'usd'],
  ])('%d %s has more decimals than the currency', (major, currency) => {
    expect(toMinor(major, currency)).toBeUndefined();
  });

  test.each([
    ['usd', 1],
    ['jpy', 1],
    ['kwd', 10],
    ['isk', 100],
    ['ugx', 100],
  ])('Stripe charges %s in steps of %i minor units', (currency, stepMinor) => {
    expect(chargeStepMinor(currency)).toBe(stepMinor);
  });

  test('every amount that a row can hold comes back from its JSON', () => {
    const amount = fc.integer({ min: 0, max: 2_147_483_647 });
    fc.assert(
      fc.property(amount, fc.constantFrom(...currencies), (amountMinor, currency) => {
        const json = JSON.stringify(toMajor(amountMinor, currency));
        expect(toMinor(JSON.parse(json), currency)).toBe(amountMinor);
      }),
      { numRuns: 1_000 },
    );
  });
});
