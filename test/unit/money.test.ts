import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chargeStepMinor, isChargeable, showAmount, toMajor, toMinor } from '../../domain/money.ts';

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

describe('amounts that Stripe charges', () => {
  test.each([
    [49, 'usd', false],
    [50, 'usd', true],
    [29, 'gbp', false],
    [30, 'gbp', true],
    [49, 'jpy', false],
    [50, 'jpy', true],
    [500, 'mxn', false],
    [1_000, 'mxn', true],
    [10_000, 'huf', false],
    [17_500, 'huf', true],
    [17_501, 'huf', true],
    [100, 'twd', true],
    [99_999_999, 'usd', true],
    [100_000_000, 'usd', false],
    [99_999_999, 'jpy', true],
    [100_000_000, 'jpy', false],
    [2_000_000_000, 'idr', true],
    [550, 'isk', false],
    [500, 'isk', true],
    [550, 'ugx', false],
    [500, 'ugx', true],
    [1_234, 'kwd', false],
    [1_230, 'kwd', true],
    [0, 'eur', false],
    [500, 'dem', false],
    [500, 'xau', false],
  ])('%i minor units of %s: %s', (amountMinor, currency, chargeable) => {
    expect(isChargeable(amountMinor, currency)).toBe(chargeable);
  });

  test.each([
    [1_500, 'usd', '15.00 USD'],
    [500, 'jpy', '500 JPY'],
    [1_230, 'kwd', '1.230 KWD'],
  ])('%i of %s are shown as %s', (amountMinor, currency, shown) => {
    expect(showAmount(amountMinor, currency)).toBe(shown);
  });
});
