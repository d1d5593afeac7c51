import { createCardForm } from './card-form.js';
import { h } from './dom.js';
import { money } from './format.js';
import { settings } from './settings.js';
import { createStripeForm } from './stripe-form.js';

/** How to pay for a booking: Stripe's own form, the emulator's, or a word that there is none. */
export function createCheckout({ booking, call, onPaid, onChallenge }) {
  const getIntent = () =>
    call('POST', '/api/payment-intent/', { body: { booking_id: booking.id }, key: crypto.randomUUID() });
  const parts = {
    getIntent,
    onPaid,
    onChallenge,
    label: `Pay ${money(booking.total_amount, booking.currency)}`,
    returnUrl: `${location.origin}/payment/success?booking=${booking.id}`,
  };
  switch (settings.payment.kind) {
    case 'stripe':
      return createStripeForm(parts);
    case 'emulator':
      return createCardForm(parts);
    default:
      return h(
        'p',
        { class: 'notice wait' },
        'This service takes no payments in the browser: its publishable key is not set.',
      );
  }
}

/** The bank wants to ask its customer (3-D Secure): its page opens beside this one, which goes on looking. */
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
