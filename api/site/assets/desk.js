import { createChallenge, createCheckout } from './checkout.js';
import { clearFieldErrors, field, h, repeat, showFieldErrors, whileBusy } from './dom.js';
import { countdown, factsOf, holdLength, longDate, money, shortTime } from './format.js';
import { settings } from './settings.js';

const pollMs = 1_500;
const fieldNames = {
  guest_count: 'guests',
  special_requests: 'requests',
  start_time: 'from',
  end_time: 'to',
};

const title = (text) => h('h2', { id: 'desk-title' }, text);

export const facts = (rows) =>
  h(
    'dl',
    { class: 'facts' },
    ...rows.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))),
  );

/**
 * The right side of the page, where one booking is made: choose → hold → pay → confirmed (or expired, cancelled).
 * `slots` is asked for what can be chosen; `askSignIn` resolves to whether somebody is signed in.
 */
export function createDesk({ place, session, slots, askSignIn, onBookingsChange }) {
  let shown = null; // The booking at the desk; null while one is chosen.
  let stop = () => {};
  // Kept over repainting: what was typed.
  const draft = { guests: '1', requests: '' };

  function leave() {
    stop();
    stop = () => {};
    shown = null;
  }

  // --- choose ---

  let lastChoice = '';

  function showChoice(chosen, why) {
    if (shown) return;
    const room = slots.room();
    const state = JSON.stringify([
      room?.id,
      slots.date(),
      chosen,
      why,
      slots.starts(),
      chosen && slots.endsFrom(chosen.start),
    ]);
    // Polling must not take the focus away from somebody who types.
    if (state === lastChoice) return;
    lastChoice = state;
    if (!chosen) {
      const text =
        why === 'taken'
          ? 'Somebody else was faster: this time is no longer free. Choose another.'
          : 'Choose a free slot to begin. Choose a later one as well for a longer stay.';
      place.replaceChildren(
        title('Your booking'),
        h('p', { class: why === 'taken' ? 'notice wait' : 'hint', role: 'status' }, text),
      );
      return;
    }
    const focused = place.contains(document.activeElement) ? document.activeElement.id : '';
    place.replaceChildren(title('Your booking'), choiceForm(room, chosen));
    if (focused) place.querySelector(`#${CSS.escape(focused)}`)?.focus();
  }

  function choiceForm(room, chosen) {
    const message = h('p', { class: 'notice bad', role: 'alert', hidden: true });
    const submit = h(
      'button',
      { type: 'submit', class: 'primary wide' },
      `Hold it for ${holdLength(settings.holdMinutes)}`,
    );
    const from = timeSelect('from', slots.starts(), chosen.start, (start) =>
      slots.setRange(start, chosen.end),
    );
    const to = timeSelect('to', slots.endsFrom(chosen.start), chosen.end, (end) =>
      slots.setRange(chosen.start, end),
    );
    const guests = h('input', {
      id: 'guests',
      type: 'number',
      inputmode: 'numeric',
      min: 1,
      max: room.capacity,
      value: draft.guests,
      'aria-describedby': 'guests-note',
      oninput: () => (draft.guests = guests.value),
    });
    const requests = h(
      'textarea',
      {
        id: 'requests',
        rows: 2,
        maxlength: 2_000,
        'aria-describedby': 'requests-note',
        oninput: () => (draft.requests = requests.value),
      },
      draft.requests,
    );
    const key = crypto.randomUUID();
    const form = h(
      'form',
      { novalidate: true, onsubmit: (event) => void send(event) },
      h('p', { class: 'choice-line' }, h('strong', {}, room.name), `, ${longDate(slots.date())}`),
      h(
        'div',
        { class: 'pair' },
        field({ id: 'from', label: 'From', control: from }),
        field({ id: 'to', label: 'To', control: to }),
      ),
      field({ id: 'guests', label: `Guests (up to ${room.capacity})`, control: guests }),
      field({ id: 'requests', label: 'Special requests (optional)', control: requests }),
      h(
        'p',
        { class: 'total' },
        h('span', {}, `${chosen.count} × ${room.slot_duration_minutes} min`),
        h('strong', {}, money(chosen.count * room.price_per_slot, room.currency)),
      ),
      message,
      submit,
      h('p', { class: 'hint' }, 'Nobody else can book this time while you pay.'),
    );

    async function send(event) {
      event.preventDefault();
      if (!session.signedIn() && !(await askSignIn())) return;
      await whileBusy(submit, async () => {
        clearFieldErrors(form);
        message.hidden = true;
        const body = {
          room_id: room.id,
          booking_date: slots.date(),
          start_time: chosen.start,
          end_time: chosen.end,
          guest_count: Number(draft.guests),
          ...(draft.requests.trim() && { special_requests: draft.requests }),
        };
        try {
          const booking = await session.call('POST', '/api/bookings/', { body, key });
          draft.requests = '';
          open(booking);
          slots.clear();
          onBookingsChange();
        } catch (refusal) {
          if (showFieldErrors(form, refusal.errors, fieldNames)) return;
          message.textContent = refusal.message;
          message.hidden = false;
          void slots.refresh();
        }
      });
    }
    return form;
  }

  function timeSelect(id, times, value, onPick) {
    const select = h(
      'select',
      { id, 'aria-describedby': `${id}-note`, onchange: () => onPick(select.value) },
      ...times.map((time) => h('option', { value: time, selected: time === value }, shortTime(time))),
    );
    return select;
  }

  // --- pay ---

  function open(booking) {
    leave();
    shown = booking;
    lastChoice = '';
    if (booking.status === 'pending') showPayment(booking);
    else showEnd(booking);
    place.focus({ preventScroll: true });
    place.scrollIntoView({ block: 'nearest' });
  }

  function showPayment(booking) {
    const endsAtMs = performance.now() + booking.hold_seconds_left * 1_000;
    const clock = h('strong', { role: 'timer' });
    const line = h('p', { class: 'hold' }, 'Yours for ', clock);
    const stage = h('div', { class: 'stage' });
    const message = h('p', { class: 'notice bad', role: 'alert', hidden: true });
    const restart = () =>
      stage.replaceChildren(createCheckout({ booking, call: session.call, onPaid, onChallenge }));
    let attempted = false;

    function onPaid() {
      attempted = true;
      stage.replaceChildren(
        h('p', { class: 'notice good busy', role: 'status' }, 'Paid. Waiting for the confirmation …'),
      );
    }
    function onChallenge(url) {
      attempted = true;
      stage.replaceChildren(
        createChallenge(url),
        h('button', { type: 'button', class: 'link', onclick: restart }, 'Pay with another card'),
      );
    }

    function tick() {
      const left = Math.max(0, Math.ceil((endsAtMs - performance.now()) / 1_000));
      clock.textContent = countdown(left);
      line.classList.toggle('soon', left <= 60);
      if (left === 0) line.replaceChildren('The hold has ended. One moment …');
    }

    async function look() {
      const now = await session.call('GET', `/api/bookings/${booking.id}/`).catch(() => undefined);
      if (!now || shown !== booking || now.status === 'pending') return;
      leave();
      shown = now;
      showEnd(now, attempted);
      onBookingsChange();
      void slots.refresh();
    }

    const cancel = h(
      'button',
      { type: 'button', class: 'link', onclick: () => void whileBusy(cancel, giveUp) },
      'Give the slot back',
    );
    const later = h('button', { type: 'button', class: 'link', onclick: again }, 'Pay later, book another');
    async function giveUp() {
      try {
        const after = await session.call('POST', `/api/bookings/${booking.id}/cancel/`);
        leave();
        shown = after;
        showEnd(after);
        onBookingsChange();
        void slots.refresh();
      } catch (refusal) {
        message.textContent = refusal.message;
        message.hidden = false;
      }
    }

    place.replaceChildren(
      title('Pay to confirm'),
      line,
      facts(factsOf(booking)),
      stage,
      message,
      h('p', { class: 'actions' }, later, cancel),
    );
    restart();
    tick();
    const ticking = setInterval(tick, 500);
    const stopLooking = repeat(look, pollMs);
    stop = () => {
      clearInterval(ticking);
      stopLooking();
    };
  }

  // --- the end ---

  function showEnd(booking, attempted = false) {
    const ends = {
      confirmed: ['Confirmed', 'good', 'The room is yours. We look forward to seeing you.'],
      expired: [
        'The hold has ended',
        'wait',
        attempted
          ? 'The payment did not arrive in time. If it still does, the booking is confirmed when the time is free, or the money goes back in full.'
          : 'It was not paid in time, so the slot is free for everybody again.',
      ],
      cancelled: [
        'Cancelled',
        'calm',
        booking.payment_status === 'pending'
          ? 'The slot is free again. Nothing was charged.'
          : 'The slot is free again.',
      ],
      completed: ['Completed', 'calm', 'This stay is over.'],
    };
    const [heading, tone, text] = ends[booking.status];
    place.replaceChildren(
      title(heading),
      h('p', { class: `notice ${tone}`, role: 'status' }, text),
      facts(factsOf(booking)),
      h(
        'button',
        { type: 'button', class: 'primary wide', onclick: again },
        booking.status === 'expired' ? 'Choose a time again' : 'Book another time',
      ),
    );
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
    /** Somebody chose another room or slot: what was finished makes room, what waits for money stays. */
    makeRoom() {
      if (shown && shown.status !== 'pending') again();
    },
    signedOut() {
      if (shown) again();
    },
    /** Another part of the page changed this booking. */
    changed(booking) {
      if (shown?.id === booking.id) open(booking);
    },
  };
}
