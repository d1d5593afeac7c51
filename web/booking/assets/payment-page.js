import { byId, facts, repeat } from './dom.js';
import { factsOf, tooLate } from './format.js';
import { createSession } from './session.js';

/**
 * The page that the bank or Stripe returns the guest to. It does not trust the address: it shows the signed-in guest
 * the status of the booking.
 */
const pollMs = 1_500;
/** A late payment may still confirm an expired hold; the page polls for one this long. */
const lateMs = 5 * 60_000;
const query = new URLSearchParams(location.search);
const id = /^[1-9]\d{0,9}$/.exec(query.get('booking') ?? '')?.[0];
const session = createSession({ onChange: () => {} });

/** @type {Record<import('./api.js').Booking['status'], [string, string]>} */
const endings = {
  pending: ['Thank you', 'Waiting for your payment to arrive. This page updates by itself.'],
  confirmed: ['Confirmed', 'Your payment has arrived and your booking is confirmed.'],
  completed: ['Completed', 'This stay is over. Thank you for coming.'],
  expired: ['Your hold expired', tooLate],
  cancelled: ['Cancelled', 'This booking is cancelled. Any refund follows the cancellation policy.'],
};

/**
 * A heading and a sentence.
 * @param {import('./api.js').Booking} booking
 * @returns {[string, string]}
 */
function wordsFor({ status, payment_status: payment }) {
  if (status === 'pending' && query.get('redirect_status') === 'failed') {
    return [
      'Not paid',
      'The payment did not go through. The slot is still held for you: go back and try another card.',
    ];
  }
  if (status === 'expired' && payment === 'refunded') {
    return [
      'Your hold expired',
      'The payment arrived too late and the time was no longer free. You are refunded in full.',
    ];
  }
  return endings[status];
}

/** @param {import('./api.js').Booking} booking */
function show(booking) {
  const [title, line] = wordsFor(booking);
  byId('title').textContent = title;
  byId('outcome').textContent = line;
  document.title = title;
  byId('booking').replaceChildren(facts(factsOf(booking)));
}

async function start() {
  if (!id || !(await session.resume())) return;
  /** @type {number | undefined} */
  let endedAtMs;
  const stop = repeat(async () => {
    const booking = await session.call('GET', `/api/bookings/${id}/`).catch(() => undefined);
    if (!booking) return;
    show(booking);
    if (booking.status === 'pending') return;
    endedAtMs ??= performance.now();
    const mayChange = booking.status === 'expired' && booking.payment_status !== 'refunded';
    if (!mayChange || performance.now() - endedAtMs > lateMs) stop();
  }, pollMs);
}

void start();
