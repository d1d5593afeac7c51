/**
 * Money is an integer of minor units beside its currency. JSON shows major units, and a currency's number of
 * decimals follows Stripe (https://docs.stripe.com/currencies, "zero-decimal" and "three-decimal").
 */

import { integerMax } from './limits.ts';

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

/** 100.5 `usd` → 10050. Undefined if the number has more decimals than the currency. */
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

/** 10050 `usd` → `100.50 USD`. For people. */
export function showAmount(amountMinor: number, currency: string): string {
  return `${toMajor(amountMinor, currency).toFixed(decimals(currency))} ${currency.toUpperCase()}`;
}

/** The currencies that Stripe charges in (https://docs.stripe.com/currencies#presentment-currencies). */
const chargeable = new Set(
  (
    'usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bif bmd bnd bob brl bsd bwp byn bzd cad cdf chf ' +
    'clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl htg huf idr ' +
    'ils inr isk jmd jpy kes kgs khr kmf krw kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk ' +
    'mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp ' +
    'sle sos srd std szl thb tjs top try ttd twd tzs uah ugx uyu uzs vnd vuv wst xaf xcd xcg xof xpf yer zar zmw ' +
    'bhd jod kwd omr tnd'
  ).split(' '),
);

/** Does Stripe charge cards in this currency, given as three letters in lower case? */
export const isChargeableCurrency = (currency: string) => chargeable.has(currency);

/** In minor units (https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts). */
const leastMinor: Readonly<Record<string, number>> = {
  aed: 200,
  aud: 50,
  bgn: 100,
  brl: 50,
  cad: 50,
  chf: 50,
  czk: 1_500,
  dkk: 250,
  eur: 50,
  gbp: 30,
  hkd: 400,
  huf: 17_500,
  inr: 50,
  jpy: 50,
  mxn: 1_000,
  myr: 200,
  nok: 300,
  nzd: 50,
  pln: 200,
  ron: 200,
  sek: 300,
  sgd: 50,
  thb: 1_000,
  usd: 50,
};

/**
 * The least that Stripe charges in a currency, in minor units. For those that its table does not name Stripe asks for the
 * worth of 50 US cents on the day, which is not known here: then it is one step.
 */
export function chargeLeastMinor(currency: string): number {
  return leastMinor[currency] ?? chargeStepMinor(currency);
}

/**
 * The most that Stripe charges at once, in minor units: eight digits, and twelve in `idr` (the same page), of which this
 * service stores 32 bits.
 */
export function chargeMostMinor(currency: string): number {
  return currency === 'idr' ? integerMax : 99_999_999;
}

/**
 * Would Stripe charge this amount? The whole units of HUF and TWD concern payouts only: charges have two decimals
 * (https://docs.stripe.com/currencies#special-cases).
 */
export function isChargeable(amountMinor: number, currency: string): boolean {
  return (
    isChargeableCurrency(currency) &&
    amountMinor >= chargeLeastMinor(currency) &&
    amountMinor <= chargeMostMinor(currency) &&
    amountMinor % chargeStepMinor(currency) === 0
  );
}
