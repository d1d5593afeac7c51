import { createChoiceForm } from './choice-form.js';
import { facts, fillIn, h, repaint } from './dom.js';
import { factsOf, tooLate } from './format.js';
import { createPayment } from './payment.js';

/** @typedef {import('./api.js').Booking} Booking */

/** The initial values of the form, by the ids of its fields. */
const blank = { guests: '1', requests: '' };

const title = (text) => h('h2', { id: 'booking-card-title' }, text);

/**
 * The card at the right, where one booking is made: choose → hold → pay → confirmed (or expired, cancelled).
 * `slots` knows what can be chosen; `askSignIn` resolves to whether the guest is signed in.
 * @param {object} parts
 * @param {HTMLElement} parts.place
 * @param {import('./session.js').Session} parts.session
 * @param {import('./slots.js').Slots} parts.slots
 * @param {() => Promise<boolean>} parts.askSignIn
 * @param {() => void} parts.onBookingsChange
 */
export function createBookingCard({ place, session, slots, askSignIn, onBookingsChange }) {
  /** @type {Booking | null} */
  let shown = null; // The booking in the card; null while the guest is choosing a time.
  let stop = () => {};
  let lastChoice = '';
  // What was typed survives repainting.
  const draft = { ...blank };

  function leave() {
    stop();
    stop = () => {};
    shown = null;
  }

  /**
   * @param {import('./slots.js').Chosen | null} chosen
   * @param {string} [why]
   */
  function showChoice(chosen, why) {
    if (shown) return;
    const room = slots.room();
    const ends = chosen && slots.endsFrom(chosen.start);
    const state = JSON.stringify([room?.id, slots.date(), chosen, why, slots.starts(), ends]);
    // Polling must not take the focus away while the guest is typing.
    if (state === lastChoice) return;
    lastChoice = state;
    if (!chosen || !room) return place.replaceChildren(title('Your booking'), invitation(why));
    const form = createChoiceForm({ room, chosen, slots, draft, session, askSignIn, onHeld });
    repaint(place, title('Your booking'), form);
  }

  /** @param {Booking} booking */
  function onHeld(booking) {
    draft.requests = '';
    open(booking);
    slots.clear();
    onBookingsChange();
  }

  /** @param {Booking} booking */
  function open(booking) {
    leave();
    shown = booking;
    lastChoice = '';
    if (booking.status === 'pending') showPayment(booking);
    else place.replaceChildren(...endOf(booking, false, again));
    place.focus({ preventScroll: true });
    place.scrollIntoView({ block: 'nearest' });
  }

  /** @param {Booking} booking */
  function showPayment(booking) {
    const payment = createPayment({ booking, call: session.call, onEnded });
    place.replaceChildren(title('Pay to confirm'), ...payment.parts);
    stop = payment.stop;
  }

  /**
   * @param {Booking} booking
   * @param {boolean} attempted
   */
  function onEnded(booking, attempted) {
    leave();
    shown = booking;
    place.replaceChildren(...endOf(booking, attempted, again));
    onBookingsChange();
    void slots.refresh();
  }

  function again() {
    leave();
    lastChoice = '';
    showChoice(null);
    void slots.refresh();
  }

  return {
    showChoice,
    open,
    /** Clears a booking that is over, when another room or slot is chosen. One that waits for payment stays. */
    clearFinished() {
      if (shown && shown.status !== 'pending') again();
    },
    signedOut() {
      Object.assign(draft, blank);
      if (shown) return again();
      // The form stays in place, because it may be saying that the session has ended.
      const form = place.querySelector('form');
      if (form) fillIn(form, blank);
    },
    /** Shows this booking again, if it is in the card, after another part of the page changed it. */
    changed(/** @type {Booking} */ booking) {
      if (shown?.id === booking.id) open(booking);
    },
  };
}

/** The text while nothing is chosen. */
function invitation(why) {
  return why === 'taken'
    ? h(
        'p',
        { class: 'notice wait', role: 'status' },
        'Somebody else has just taken this time. Choose another.',
      )
    : h(
        'p',
        { class: 'hint', role: 'status' },
        'Choose a free slot to start. For a longer stay, choose a later slot too.',
      );
}

/**
 * A booking that no longer waits for payment.
 * @param {Booking} booking
 * @param {boolean} attempted
 * @param {() => void} onAgain
 */
function endOf(booking, attempted, onAgain) {
  const [heading, tone, text] = endingOf(booking, attempted);
  const next = booking.status === 'expired' ? 'Choose a time again' : 'Book another time';
  return [
    title(heading),
    h('p', { class: `notice ${tone}`, role: 'status' }, text),
    facts(factsOf(booking)),
    h('button', { type: 'button', class: 'primary wide', onclick: onAgain }, next),
  ];
}

/**
 * How a booking ended: a heading, a tone and a sentence.
 * @param {Booking} booking
 * @param {boolean} attempted
 * @returns {[string, string, string]}
 */
function endingOf({ status, payment_status: payment }, attempted) {
  switch (status) {
    case 'confirmed':
      return ['Confirmed', 'good', 'Your booking is confirmed. We look forward to seeing you.'];
    case 'expired': {
      const text = attempted ? tooLate : 'It was not paid in time, so the slot is free again.';
      return ['Your hold expired', 'wait', text];
    }
    case 'cancelled': {
      const charged = payment === 'pending' ? ' Nothing was charged.' : '';
      return ['Cancelled', 'calm', `The slot is free again.${charged}`];
    }
    case 'completed':
      return ['Completed', 'calm', 'This stay is over.'];
    case 'pending':
      throw new Error('A booking that is waiting for payment has not ended.');
  }
}
