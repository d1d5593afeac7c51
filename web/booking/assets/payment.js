import { createChallenge, createCheckout, pageAfter } from './checkout.js';
import { facts, h, repeat, whileBusy } from './dom.js';
import { countdown, factsOf } from './format.js';
import { settings } from './settings.js';

/** @typedef {import('./api.js').Booking} Booking */

const pollMs = 1_500;

/**
 * A hold that waits for payment: the countdown, the payment form, and the ways out. It polls until the booking is
 * confirmed or over, or `stop` is called.
 * @param {object} parts
 * @param {Booking} parts.booking
 * @param {import('./api.js').Call} parts.call
 * @param {(booking: Booking, attempted: boolean) => void} parts.onEnded `attempted`: whether the guest has tried to pay
 */
export function createPayment({ booking, call, onEnded }) {
  const hold = createHoldLine(booking.hold_seconds_left);
  const stage = createStage({ booking, call });
  const message = h('p', { class: 'notice bad', role: 'alert', hidden: true });
  let stopped = false;

  async function poll() {
    /** @type {Booking | undefined} */
    const now = await call('GET', `/api/bookings/${booking.id}/`).catch(() => undefined);
    if (now && !stopped && now.status !== 'pending') onEnded(now, stage.attempted());
  }

  async function giveUp() {
    try {
      onEnded(await call('POST', `/api/bookings/${booking.id}/cancel/`), false);
    } catch (refusal) {
      message.textContent = refusal.message;
      message.hidden = false;
    }
  }

  const later = h('a', { href: pageAfter(settings.cancelUrl, booking) }, 'Pay later and book another');
  const cancel = h(
    'button',
    { type: 'button', class: 'link', onclick: () => void whileBusy(cancel, giveUp) },
    'Release the slot',
  );
  const stopPolling = repeat(poll, pollMs);
  return {
    parts: [
      hold.line,
      facts(factsOf(booking)),
      stage.place,
      message,
      h('p', { class: 'actions' }, later, cancel),
    ],
    stop() {
      stopped = true;
      hold.stop();
      stopPolling();
    },
  };
}

/**
 * How long the slot is still held, measured with a clock that cannot be changed.
 * @param {number} secondsLeft
 */
function createHoldLine(secondsLeft) {
  const endsAtMs = performance.now() + secondsLeft * 1_000;
  const clock = h('strong', { role: 'timer' });
  const line = h('p', { class: 'hold' }, 'Held for you for ', clock);

  function tick() {
    const left = Math.max(0, Math.ceil((endsAtMs - performance.now()) / 1_000));
    clock.textContent = countdown(left);
    line.classList.toggle('soon', left <= 60);
    if (left === 0) line.replaceChildren('Your hold is expiring …');
  }

  tick();
  const ticking = setInterval(tick, 500);
  return { line, stop: () => clearInterval(ticking) };
}

/**
 * The payment form, then the bank's verification or the wait for the confirmation.
 * @param {{ booking: Booking, call: import('./api.js').Call }} parts
 */
function createStage({ booking, call }) {
  const place = h('div', { class: 'stage' });
  let attempted = false;

  function restart() {
    place.replaceChildren(createCheckout({ booking, call, onPaid, onChallenge }));
  }

  function onPaid() {
    attempted = true;
    // Our own page would only repeat what this one says.
    if (!settings.successUrl.startsWith('/')) location.assign(pageAfter(settings.successUrl, booking));
    place.replaceChildren(
      h('p', { class: 'notice good busy', role: 'status' }, 'Paid. Waiting for confirmation …'),
    );
  }

  function onChallenge(url) {
    attempted = true;
    place.replaceChildren(
      createChallenge(url),
      h('button', { type: 'button', class: 'link', onclick: restart }, 'Pay with another card'),
    );
  }

  restart();
  return { place, attempted: () => attempted };
}
