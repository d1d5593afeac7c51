import { invalidRequest } from './errors.ts';
import type { Reader } from './params.ts';

/** https://docs.stripe.com/currencies, presentment currencies. */
const supportedCurrencies = new Set(
  (
    'usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bif bmd bnd bob brl bsd bwp byn bzd cad cdf chf ' +
    'clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl htg huf idr ' +
    'ils inr isk jmd jpy kes kgs khr kmf krw kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk ' +
    'mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp ' +
    'sle sos srd std szl thb tjs top try ttd twd tzs uah ugx uyu uzs vnd vuv wst xaf xcd xcg xof xpf yer zar zmw ' +
    'bhd jod kwd omr tnd'
  ).split(' '),
);

/** https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts, in minor units. */
const amountMin: Record<string, number> = {
  aed: 200,
  aud: 50,
  bgn: 100,
  brl: 50,
  cad: 50,
  chf: 50,
  czk: 1500,
  dkk: 250,
  eur: 50,
  gbp: 30,
  hkd: 400,
  huf: 17_500,
  inr: 50,
  jpy: 50,
  mxn: 1000,
  myr: 200,
  nok: 300,
  nzd: 50,
  pln: 200,
  ron: 200,
  sek: 300,
  sgd: 50,
  thb: 1000,
  usd: 50,
};
const amountMax = 99_999_999;

/** Three letters in either case; answers are in lower case, as Stripe's are. */
export const currency: Reader<string> = (value, name) => {
  const code = typeof value === 'string' ? value.toLowerCase() : '';
  if (supportedCurrencies.has(code)) return code;
  throw invalidRequest(
    `Invalid currency: ${code}. Stripe currently supports these currencies: ${[...supportedCurrencies].join(', ')}`,
    { param: name },
  );
};

/**
 * Throws `amount_too_small` or `amount_too_large`. Currencies without a minimum of their own are held
 * to Stripe's worth of 50 US cents, which needs a rate of exchange: here any amount is enough for them.
 */
export function checkChargeAmount(amountMinor: number, code: string): void {
  const min = amountMin[code] ?? 1;
  if (amountMinor < min) {
    throw invalidRequest(`Amount must be at least ${min} in the smallest unit of ${code}`, {
      code: 'amount_too_small',
      param: 'amount',
    });
  }
  if (amountMinor > amountMax) {
    throw invalidRequest(`Amount must be no more than ${amountMax} in the smallest unit of ${code}`, {
      code: 'amount_too_large',
      param: 'amount',
    });
  }
}
