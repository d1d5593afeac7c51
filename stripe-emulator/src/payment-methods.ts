import { passesLuhn, realCard, testCards, type CardBehaviour, type TestCard } from './cards.ts';
import { cardFailure, invalidRequest, missingParameter, resourceMissing } from './errors.ts';
import { fingerprintOf, newId, nowSeconds } from './ids.ts';
import { ignored, metadata, oneOf, record, required, text, unsupported } from './params.ts';
import type { Tables } from './tables.ts';
import type { BillingDetails, PaymentMethod } from './types.ts';

/** `payment_method_data` as the emulator takes it: a card, typed in. */
export const paymentMethodData = record({
  type: oneOf(['card']),
  card: record({
    number: text(32),
    exp_month: text(8),
    exp_year: text(8),
    cvc: text(8),
    networks: ignored,
    token: unsupported,
  }),
  billing_details: record({ email: text(), name: text(), address: ignored, phone: ignored, tax_id: ignored }),
  metadata,
  allow_redisplay: ignored,
  radar_options: ignored,
});
type PaymentMethodData = ReturnType<typeof paymentMethodData>;
type CardData = NonNullable<PaymentMethodData['card']>;

const cardByName = new Map(testCards.flatMap((card) => card.names.map((name) => [name, card] as const)));
const cardByNumber = new Map(testCards.map((card) => [card.number, card] as const));
const cardByFingerprint = new Map(testCards.map((card) => [fingerprintOf(card.number), card] as const));

/** How the card of a PaymentMethod behaves. */
export function behaviourOf(method: PaymentMethod): CardBehaviour {
  return cardByFingerprint.get(method.card.fingerprint)?.behaviour ?? realCard;
}

/** An existing PaymentMethod, or a new one for a name such as `pm_card_visa`. */
export function findPaymentMethod(tables: Tables, idOrName: string): PaymentMethod {
  const existing = tables.paymentMethods.get(idOrName);
  if (existing) return existing;
  const card = cardByName.get(idOrName);
  if (!card) throw resourceMissing('PaymentMethod', idOrName, 'payment_method', 400);
  const expiryYear = new Date().getUTCFullYear() + 2;
  return savePaymentMethod(tables, card.number, card, { month: 12, year: expiryYear }, {});
}

/**
 * What is typed in is checked as Stripe does before anything is charged: these 402 answers change nothing.
 * Codes: https://docs.stripe.com/error-codes.
 */
function createPaymentMethod(tables: Tables, data: PaymentMethodData): PaymentMethod {
  required(data.type, 'payment_method_data[type]');
  const card = required(data.card, 'payment_method_data[card]');
  const number = checkNumber(card);
  const expiry = checkExpiry(card);
  const known = cardByNumber.get(number);
  if (card.cvc != null && !(brandOf(number, known) === 'amex' ? /^\d{3,4}$/ : /^\d{3}$/).test(card.cvc)) {
    throw cardFailure('invalid_cvc', "Your card's security code is invalid.", 'cvc');
  }
  return savePaymentMethod(tables, number, known, expiry, data);
}

function checkNumber(card: CardData): string {
  const number = (card.number ?? '').replaceAll(/[\s-]/g, '');
  if (number === '') throw missingParameter('payment_method_data[card][number]');
  if (!/^\d{12,19}$/.test(number) || !passesLuhn(number)) {
    throw cardFailure('incorrect_number', 'Your card number is incorrect.', 'number');
  }
  return number;
}

function checkExpiry(card: CardData): { month: number; year: number } {
  if (card.exp_month == null) throw missingParameter('payment_method_data[card][exp_month]');
  if (card.exp_year == null) throw missingParameter('payment_method_data[card][exp_year]');
  const month = Number(card.exp_month);
  const typedYear = Number(card.exp_year);
  const year = typedYear < 100 ? typedYear + 2000 : typedYear;
  const today = new Date();
  const monthIsReal = Number.isInteger(month) && month >= 1 && month <= 12;
  if (!monthIsReal || (year === today.getUTCFullYear() && month < today.getUTCMonth() + 1)) {
    throw cardFailure('invalid_expiry_month', "Your card's expiration month is invalid.", 'exp_month');
  }
  if (!Number.isInteger(year) || year < today.getUTCFullYear() || year > today.getUTCFullYear() + 50) {
    throw cardFailure('invalid_expiry_year', "Your card's expiration year is invalid.", 'exp_year');
  }
  return { month, year };
}

function savePaymentMethod(
  tables: Tables,
  number: string,
  known: TestCard | undefined,
  expiry: { month: number; year: number },
  data: Pick<PaymentMethodData, 'billing_details' | 'metadata'>,
): PaymentMethod {
  const method: PaymentMethod = {
    id: newId('pm'),
    object: 'payment_method',
    allow_redisplay: 'unspecified',
    billing_details: billingDetails(data.billing_details?.email, data.billing_details?.name),
    card: {
      brand: brandOf(number, known),
      country: 'US',
      exp_month: expiry.month,
      exp_year: expiry.year,
      fingerprint: fingerprintOf(number),
      funding: 'credit',
      last4: number.slice(-4),
      three_d_secure_usage: { supported: true },
    },
    created: nowSeconds(),
    customer: null,
    livemode: false,
    metadata: data.metadata ?? {},
    type: 'card',
  };
  tables.paymentMethods.save(method);
  return method;
}

function brandOf(number: string, known: TestCard | undefined): string {
  if (known) return known.brand;
  if (number.startsWith('4')) return 'visa';
  if (/^5[1-5]|^2[2-7]/.test(number)) return 'mastercard';
  return /^3[47]/.test(number) ? 'amex' : 'unknown';
}

function billingDetails(email?: string | null, name?: string | null): BillingDetails {
  return {
    address: { city: null, country: null, line1: null, line2: null, postal_code: null, state: null },
    email: email ?? null,
    name: name ?? null,
    phone: null,
    tax_id: null,
  };
}

/** One of the two ways to name a card, or none. */
export function resolvePaymentMethod(
  tables: Tables,
  params: { payment_method?: string | null; payment_method_data?: PaymentMethodData },
): PaymentMethod | undefined {
  if (params.payment_method && params.payment_method_data) {
    throw invalidRequest(
      'You may only specify one of these parameters: payment_method, payment_method_data.',
      {
        code: 'parameters_exclusive',
        param: 'payment_method',
      },
    );
  }
  if (params.payment_method_data) return createPaymentMethod(tables, params.payment_method_data);
  if (params.payment_method) return findPaymentMethod(tables, params.payment_method);
  return undefined;
}
