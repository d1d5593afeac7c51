import { focusOn, h, repaint, repeat, whileBusy } from './dom.js';
import { longDate, money, shortTime, statusOf } from './format.js';
import { settings } from './settings.js';

/** @typedef {import('./api.js').Booking} Booking */
/** @typedef {import('./api.js').BookingItem} BookingItem */

const pollMs = 8_000;
const pageSize = 10;

/**
 * My bookings, newest first, each with its actions.
 * @param {object} parts
 * @param {HTMLElement} parts.place
 * @param {import('./session.js').Session} parts.session
 * @param {(booking: Booking) => void} parts.onPay
 * @param {(booking: Booking) => void} parts.onCancelled
 */
export function createMyBookings({ place, session, onPay, onCancelled }) {
  /** @type {BookingItem[]} */
  let bookings = [];
  let next = null;
  let pages = 1;
  /** @type {number | null} */
  let asking = null; // The id of the booking whose cancellation is being asked about.
  /** @type {string | null} */
  let failure = null; // Why the cancellation was refused.
  let painted = '';
  let stop = () => {};

  async function load() {
    try {
      const found = [];
      let cursor = null;
      for (let page = 0; page < pages; page++) {
        const at = cursor ? `&cursor=${encodeURIComponent(cursor)}` : '';
        const answer = await session.call('GET', `/api/bookings/?limit=${pageSize}${at}`);
        found.push(...answer.bookings);
        cursor = answer.next;
        if (!cursor) break;
      }
      bookings = found;
      next = cursor;
    } catch {
      return; // What is shown stays until a later poll succeeds.
    }
    paint();
  }

  function paint() {
    const state = JSON.stringify([bookings, next, asking, failure]);
    // Repainting only after a change leaves the focus where it is.
    if (state === painted) return;
    painted = state;
    repaint(
      place,
      h('h2', { id: 'mine-title' }, 'My bookings'),
      bookings.length === 0
        ? h('p', { class: 'hint' }, 'None yet.')
        : h('ul', { class: 'mine' }, ...bookings.map(row)),
      next
        ? h(
            'button',
            { type: 'button', class: 'quiet', id: 'more', onclick: () => ((pages += 1), load()) },
            'Show more',
          )
        : '',
    );
  }

  /** @param {BookingItem} booking */
  function row(booking) {
    const [word, tone] = statusOf(booking);
    const isPending = booking.status === 'pending';
    const canCancel =
      isPending || (booking.status === 'confirmed' && Date.parse(booking.starts_at) > Date.now());
    const when = `${longDate(booking.booking_date)}, ${shortTime(booking.start_time)}–${shortTime(booking.end_time)}`;
    const label = (verb) => `${verb}: ${booking.room_name}, ${when}`;
    return h(
      'li',
      { 'data-booking': booking.id },
      h(
        'div',
        { class: 'mine-what' },
        h('strong', {}, booking.room_name),
        h('span', {}, `${when} (${booking.time_zone})`),
      ),
      h('span', { class: `badge ${tone}` }, word),
      h('span', { class: 'mine-price' }, money(booking.total_amount, booking.currency)),
      h(
        'div',
        { class: 'actions' },
        isPending &&
          h(
            'button',
            {
              type: 'button',
              class: 'primary',
              id: `pay-${booking.id}`,
              'aria-label': label('Pay'),
              onclick: () => void pay(booking),
            },
            'Pay',
          ),
        canCancel &&
          asking !== booking.id &&
          h(
            'button',
            {
              type: 'button',
              class: 'quiet',
              id: `cancel-${booking.id}`,
              'aria-label': label('Cancel'),
              onclick: () => ask(booking.id),
            },
            'Cancel',
          ),
      ),
      asking === booking.id && question(booking),
    );
  }

  function question(booking) {
    const yes = h(
      'button',
      {
        type: 'button',
        class: 'danger',
        id: `yes-${booking.id}`,
        onclick: () => void whileBusy(yes, () => cancel(booking)),
      },
      'Yes, cancel',
    );
    return h(
      'div',
      { class: 'question', role: 'group', 'aria-label': 'Cancel this booking?' },
      h('p', {}, `Cancel this booking? ${refundText(booking)}`),
      failure && h('p', { class: 'notice bad', role: 'alert' }, failure),
      h(
        'div',
        { class: 'actions' },
        yes,
        h('button', { type: 'button', class: 'quiet', onclick: () => ask(null) }, 'Keep it'),
      ),
    );
  }

  function ask(id) {
    asking = id;
    failure = null;
    paint();
    if (id) focusOn(place.querySelector(`#yes-${id}`));
  }

  async function cancel(booking) {
    try {
      const after = await session.call('POST', `/api/bookings/${booking.id}/cancel/`);
      asking = null;
      onCancelled(after);
    } catch (refusal) {
      if (asking === booking.id) failure = refusal.message;
    }
    await load();
    paint();
  }

  async function pay(booking) {
    try {
      onPay(await session.call('GET', `/api/bookings/${booking.id}/`));
    } catch {
      await load();
    }
  }

  return {
    /** Shows the list while a guest is signed in, and nothing of a guest who was signed in before. */
    follow() {
      stop();
      const present = session.signedIn();
      place.hidden = !present;
      place.replaceChildren();
      bookings = [];
      next = null;
      pages = 1;
      asking = null;
      failure = null;
      painted = '';
      stop = present ? repeat(load, pollMs) : () => {};
    },
    refresh: () => session.signedIn() && load(),
  };
}

/** @param {BookingItem} booking */
function refundText(booking) {
  if (booking.status === 'pending') return 'Nothing has been charged.';
  const hoursLeft = (Date.parse(booking.starts_at) - Date.now()) / 3_600_000;
  const price = money(booking.total_amount, booking.currency);
  if (hoursLeft >= settings.freeCancelHours) return `You will be refunded ${price}.`;
  return `It starts in less than ${settings.freeCancelHours} hours, so ${price} will not be refunded.`;
}
