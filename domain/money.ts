/**
 * Money is an integer of minor units beside its currency. JSON shows major units, and a currency's number of
 * decimals follows Stripe (https://docs.stripe.com/currencies, "zero-decimal" and "three-decimal").
 */

const zeroDecimal = new Set('bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf'.split(' '));
const threeDecimal = new Set('bhd jod kwd omr tnd'.split(' '));
/** Two decimals that are always 00 (the same page, "special cases": 500 are 5 UGX). */
const wholeUnitsOnly = new Set(['isk', 'ugx']);

function decimals(currency: string): number {
  if (zeroDecimal.has(currency)) return 0;
  return threeDecimal.has(currency) ? 3 : 2;
}

/** 10050 `usd` → 100.5; 500 `jpy` → 500. For JSON only: nothing is computed with the result. */
export function toMajor(amountMinor: number, currency: string): number {
  return amountMinor / 10 ** decimals(currency);
}

/** 100.5 `usd` → 10050. Undefined where the number has more decimals than the currency. */
export function toMinor(amountMajor: number, currency: string): number | undefined {
  const amountMinor = Math.round(amountMajor * 10 ** decimals(currency));
  return toMajor(amountMinor, currency) === amountMajor ? amountMinor : undefined;
}

/**
 * The minor units that Stripe charges in steps of: 100 where it takes whole units only, 10 where the last of three
 * decimals must be 0, else 1. It refuses an amount in between.
 */
export function chargeStepMinor(currency: string): number {
  if (wholeUnitsOnly.has(currency)) return 100;
  return threeDecimal.has(currency) ? 10 : 1;
}
