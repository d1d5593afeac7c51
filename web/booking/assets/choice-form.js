import { clearFieldErrors, field, h, showFieldErrors, valueIn, whileBusy } from './dom.js';
import { holdLength, longDate, money, shortTime } from './format.js';
import { settings } from './settings.js';

const fieldNames = {
  guest_count: 'guests',
  special_requests: 'requests',
  start_time: 'from',
  end_time: 'to',
};

/**
 * The form that holds the chosen time: from, to, guests, requests, and the price.
 * @typedef {object} ChoiceParts
 * @property {import('./api.js').Room} room
 * @property {import('./slots.js').Chosen} chosen
 * @property {import('./slots.js').Slots} slots
 * @property {{ guests: string, requests: string }} draft what was typed, which survives repainting
 * @property {import('./session.js').Session} session
 * @property {() => Promise<boolean>} askSignIn resolves to whether the guest is signed in
 * @property {(booking: import('./api.js').Booking) => void} onHeld
 */

/** @param {ChoiceParts} parts */
export function createChoiceForm({ room, chosen, slots, draft, session, askSignIn, onHeld }) {
  const message = h('p', { class: 'notice bad', role: 'alert', hidden: true });
  const submit = h(
    'button',
    { type: 'submit', class: 'primary wide' },
    `Hold for ${holdLength(settings.holdMinutes)}`,
  );
  // One key per form, so that it makes one booking however often it is sent.
  const key = crypto.randomUUID();
  const form = h(
    'form',
    {
      novalidate: true,
      oninput: () =>
        Object.assign(draft, { guests: valueIn(form, 'guests'), requests: valueIn(form, 'requests') }),
      onsubmit: (event) => void send(event),
    },
    h('p', { class: 'choice-line' }, h('strong', {}, room.name), `, ${longDate(slots.date())}`),
    timeFields(slots, chosen),
    ...guestFields(room, draft),
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
        onHeld(await session.call('POST', '/api/bookings/', { body, key }));
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

/**
 * @param {import('./slots.js').Slots} slots
 * @param {import('./slots.js').Chosen} chosen
 */
function timeFields(slots, { start, end }) {
  const from = timeSelect('from', slots.starts(), start, (time) => slots.setRange(time, end));
  const to = timeSelect('to', slots.endsFrom(start), end, (time) => slots.setRange(start, time));
  return h(
    'div',
    { class: 'pair' },
    field({ id: 'from', label: 'From', control: from }),
    field({ id: 'to', label: 'To', control: to }),
  );
}

function timeSelect(id, times, value, onPick) {
  const select = h(
    'select',
    { id, 'aria-describedby': `${id}-note`, onchange: () => onPick(select.value) },
    ...times.map((time) => h('option', { value: time, selected: time === value }, shortTime(time))),
  );
  return select;
}

/**
 * @param {import('./api.js').Room} room
 * @param {ChoiceParts['draft']} draft
 */
function guestFields({ capacity }, draft) {
  const guests = h('input', {
    id: 'guests',
    type: 'number',
    inputmode: 'numeric',
    min: 1,
    max: capacity,
    value: draft.guests,
    'aria-describedby': 'guests-note',
  });
  const requests = h(
    'textarea',
    { id: 'requests', rows: 2, maxlength: 2_000, 'aria-describedby': 'requests-note' },
    draft.requests,
  );
  return [
    field({ id: 'guests', label: `Guests (up to ${capacity})`, control: guests }),
    field({ id: 'requests', label: 'Special requests (optional)', control: requests }),
  ];
}
