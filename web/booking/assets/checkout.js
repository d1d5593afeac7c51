import { createCardForm } from './card-form.js';
import { h } from './dom.js';
import { money } from './format.js';
import { settings } from './settings.js';
import { createStripeForm } from './stripe-form.js';

/**
 * The inputs of a payment form. `getIntent` opens the PaymentIntent; `onPaid` gets its status, `onChallenge` the
 * address of the bank's page.
 * @typedef {object} PaymentParts
 * @property {() => Promise<{ client_secret: string, payment_intent_id: string }>} getIntent
 * @property {string} returnUrl
 * @property {string} label
 * @property {(status: string) => void} onPaid
 * @property {(url: string) => void} onChallenge
 */

/**
 * The way to pay for a booking: Stripe's own form, the emulator's, or a note that there is none.
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
      return h('p', { class: 'notice wait' }, 'Online payment is not configured.');
  }
}

/**
 * The address of a page after payment, with the booking's id added.
 * @param {string} page `successUrl` or `cancelUrl` of the settings
 * @param {import('./api.js').Booking} booking
 */
export function pageAfter(page, booking) {
  const url = new URL(page, location.origin);
  url.searchParams.set('booking', String(booking.id));
  return url.href;
}

/**
 * 3-D Secure: the bank's page opens in another tab while this one keeps polling.
 * @param {string} url
 */
export function createChallenge(url) {
  window.open(url, '_blank', 'noopener');
  return h(
    'div',
    { class: 'notice wait', role: 'status' },
    h('p', {}, 'Your bank needs to verify you. Confirm there; this page updates by itself.'),
    h(
      'p',
      {},
      h('a', { href: url, target: '_blank', rel: 'noopener', class: 'button' }, 'Open your bank’s page'),
    ),
  );
}
