import { createCardForm } from './card-form.js';
import { h } from './dom.js';
import { money } from './format.js';
import { settings } from './settings.js';
import { createStripeForm } from './stripe-form.js';

/**
 * How a payment form is told what to do. `getIntent` opens the PaymentIntent; `onPaid` is told its status,
 * `onChallenge` the address of the bank's page.
 * @typedef {object} PaymentParts
 * @property {() => Promise<{ client_secret: string, payment_intent_id: string }>} getIntent
 * @property {string} returnUrl
 * @property {string} label
 * @property {(status: string) => void} onPaid
 * @property {(url: string) => void} onChallenge
 */

/**
 * How to pay for a booking: Stripe's own form, the emulator's, or a word that there is none.
 * @param {Pick<PaymentParts, 'onPaid' | 'onChallenge'>
 *   & { booking: import('./api.js').Booking, call: import('./api.js').Call }} parts
 */
export function createCheckout({ booking, call, onPaid, onChallenge }) {
  const getIntent = () =>
    call('POST', '/api/payment-intent/', { body: { booking_id: booking.id }, key: crypto.randomUUID() });
  /** @type {PaymentParts} */
  const parts = {
    getIntent,
    onPaid,
    onChallenge,
    label: `Pay ${money(booking.total_amount, booking.currency)}`,
    returnUrl: pageAfter(settings.successUrl, booking),
  };
  const { payment } = settings;
  switch (payment.kind) {
    case 'stripe':
      return createStripeForm(parts, payment.publishableKey);
    case 'emulator':
      return createCardForm(parts, payment);
    default:
      return h(
        'p',
        { class: 'notice wait' },
        'This service takes no payments in the browser: its publishable key is not set.',
      );
  }
}

/**
 * The address of a page after payment, which is told of the booking.
 * @param {string} page `successUrl` or `cancelUrl` of the settings
 * @param {import('./api.js').Booking} booking
 */
export function pageAfter(page, booking) {
  const url = new URL(page, location.origin);
  url.searchParams.set('booking', String(booking.id));
  return url.href;
}

/**
 * The bank wants to ask its customer (3-D Secure): its page opens beside this one, which goes on looking.
 * @param {string} url
 */
export function createChallenge(url) {
  window.open(url, '_blank', 'noopener');
  return h(
    'div',
    { class: 'notice wait', role: 'status' },
    h(
      'p',
      {},
      'Your bank wants to know that it is you. Confirm the payment on its page; this page goes on by itself.',
    ),
    h(
      'p',
      {},
      h('a', { href: url, target: '_blank', rel: 'noopener', class: 'button' }, 'Open the page of the bank'),
    ),
  );
}
