import { byId, facts, repeat } from './dom.js';
import { factsOf } from './format.js';
import { createSession } from './session.js';

/**
 * Where the bank or Stripe leads back to. What the address says is not believed: whoever is signed in is told what
 * their booking says.
 */
const pollMs = 1_500;
const query = new URLSearchParams(location.search);
const id = /^[1-9]\d{0,9}$/.exec(query.get('booking') ?? '')?.[0];
const session = createSession({ onChange: () => {} });

/** @type {Record<import('./api.js').Booking['status'], [string, string]>} */
const endings = {
  pending: ['Thank you', 'Waiting for your payment to arrive. This page goes on by itself.'],
  confirmed: ['Confirmed', 'Your payment has arrived and the room is yours.'],
  completed: ['Completed', 'This stay is over. Thank you for coming.'],
  expired: ['The hold had ended', 'The payment came too late. What was charged goes back in full.'],
  cancelled: ['Cancelled', 'This booking is cancelled. What was charged goes back as agreed.'],
};

/** @param {import('./api.js').Booking} booking */
function show(booking) {
  const failed = booking.status === 'pending' && query.get('redirect_status') === 'failed';
  const [title, line] = failed
    ? [
        'Not paid',
        'The payment did not go through. The slot is still held for you: go back and pay with another card.',
      ]
    : endings[booking.status];
  byId('title').textContent = title;
  byId('outcome').textContent = line;
  document.title = title;
  byId('booking').replaceChildren(facts(factsOf(booking)));
}

async function start() {
  if (!id || !(await session.resume())) return;
  const stop = repeat(async () => {
    const booking = await session.call('GET', `/api/bookings/${id}/`).catch(() => undefined);
    if (!booking) return;
    show(booking);
    if (booking.status !== 'pending') stop();
  }, pollMs);
}

void start();
