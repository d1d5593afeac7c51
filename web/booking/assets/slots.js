import { h, repeat } from './dom.js';
import { addDays, clockTime, longDate, shortTime, todayIn } from './format.js';

/** @typedef {import('./api.js').Room} Room */
/** @typedef {import('./api.js').Slot} Slot */
/** @typedef {{ start: string, end: string, count: number }} Chosen */
/** @typedef {ReturnType<typeof createSlots>} Slots */

const pollMs = 3_000;

/**
 * The day and its slots, polled every few seconds. The first click chooses the start; a later click chooses the end,
 * if everything in between is free. `onChange` is called after every choice and every poll.
 * @param {object} parts
 * @param {import('./api.js').Call} parts.call
 * @param {HTMLElement} parts.dayPlace
 * @param {HTMLElement} parts.place
 * @param {HTMLElement} parts.zonePlace
 * @param {number} parts.horizonDays
 * @param {(chosen: Chosen | null, why?: string) => void} parts.onChange
 * @param {(refusal: Error | null) => void} parts.onRefusal
 */
export function createSlots({ call, dayPlace, place, zonePlace, horizonDays, onChange, onRefusal }) {
  /** @type {Room | null} */
  let room = null;
  // Set when a room is shown; nothing can be chosen before.
  let date = '';
  let today = '';
  // Until the guest chooses a day, a day without free slots is followed by tomorrow.
  let dayChosen = false;
  /** @type {Slot[]} */
  let slots = [];
  /** @type {Chosen | null} */
  let chosen = null;
  let whyNone; // `taken` when somebody else has booked the chosen time.
  let stop = () => {};
  /** @type {Map<string, HTMLButtonElement>} */
  const buttons = new Map();

  const input = h('input', {
    type: 'date',
    id: 'date',
    'aria-describedby': 'date-name',
    onchange: () => input.value && go(input.value),
  });
  const name = h('output', { class: 'day-name', id: 'date-name', for: 'date' });
  const before = h(
    'button',
    {
      type: 'button',
      class: 'quiet step',
      'aria-label': 'Previous day',
      onclick: () => go(addDays(date, -1)),
    },
    '‹',
  );
  const after = h(
    'button',
    {
      type: 'button',
      class: 'quiet step',
      'aria-label': 'Next day',
      onclick: () => go(addDays(date, 1)),
    },
    '›',
  );
  for (const control of [input, before, after]) control.disabled = true;
  dayPlace.replaceChildren(h('label', { for: 'date', class: 'unseen' }, 'Day'), before, input, after, name);

  function go(wanted) {
    dayChosen = true;
    const last = addDays(today, horizonDays);
    date = wanted < today ? today : wanted > last ? last : wanted;
    choose(null);
    restart();
  }

  function restart() {
    stop();
    buttons.clear();
    slots = [];
    place.replaceChildren(
      ...Array.from({ length: 12 }, () => h('span', { class: 'slot empty', 'aria-hidden': 'true' })),
    );
    stop = repeat(refresh, pollMs);
  }

  async function refresh() {
    if (!room) return;
    const asked = { room, date };
    try {
      /** @type {{ slots: Slot[] }} */
      const answer = await call('GET', `/api/rooms/${room.id}/availability/?date=${date}`);
      if (asked.room !== room || asked.date !== date) return;
      const hasFree = answer.slots.some((slot) => slot.status === 'free');
      if (!dayChosen && !hasFree && date === today) return go(addDays(today, 1));
      slots = answer.slots;
      onRefusal(null);
    } catch (refusal) {
      return onRefusal(refusal);
    }
    show(asked.room);
  }

  /** @param {Room} shown */
  function show(shown) {
    Object.assign(input, { value: date, min: today, max: addDays(today, horizonDays), disabled: false });
    before.disabled = date <= today;
    after.disabled = date >= addDays(today, horizonDays);
    name.textContent = longDate(date);
    zonePlace.textContent = `Times are in the room’s time zone, ${shown.time_zone}.`;
    if (buttons.size === 0) place.replaceChildren(...slots.map(makeButton));
    if (chosen && !isFree(chosen.start, chosen.end)) choose(null, 'taken');
    else onChange(chosen, whyNone);
    for (const slot of slots) paint(slot);
  }

  /** @param {Slot} slot */
  function makeButton(slot) {
    const button = h(
      'button',
      { type: 'button', onclick: () => clicked(slot.start_time) },
      h('span', { class: 'slot-time' }, shortTime(slot.start_time)),
      h('span', { class: 'unseen' }, ` to ${shortTime(slot.end_time)}, `),
      h('span', { class: 'slot-state' }),
    );
    buttons.set(slot.start_time, button);
    return button;
  }

  /** @param {Slot} slot */
  function paint(slot) {
    const button = buttons.get(slot.start_time);
    if (!button) return;
    const within = chosen !== null && slot.start_time >= chosen.start && slot.end_time <= chosen.end;
    const isHeld = slot.status === 'held';
    const frees = isHeld && slot.frees_at ? clockTime(slot.frees_at, room?.time_zone) : '';
    button.className = `slot ${within ? 'mine' : slot.status}`;
    button.disabled = slot.status !== 'free';
    button.setAttribute('aria-pressed', String(within));
    const freesText = frees ? `; free again at ${frees} if not paid` : '';
    button.title = isHeld ? `Held, not paid yet${freesText}` : '';
    const state = within ? 'chosen' : frees ? `until ${frees}` : slot.status;
    button.querySelector('.slot-state')?.replaceChildren(state);
  }

  const between = (start, end) => slots.filter((slot) => slot.start_time >= start && slot.end_time <= end);
  const isFree = (start, end) => {
    const inside = between(start, end);
    return inside.length > 0 && inside.every((slot) => slot.status === 'free');
  };

  function clicked(start) {
    const slot = slots.find((each) => each.start_time === start);
    if (!slot) return;
    const end = slot.end_time;
    if (chosen && start >= chosen.end && isFree(chosen.start, end)) choose({ start: chosen.start, end });
    else if (chosen && start === chosen.start && end === chosen.end) choose(null);
    else choose({ start, end });
    for (const each of slots) paint(each);
  }

  /**
   * @param {{ start: string, end: string } | null} range
   * @param {string} [why]
   */
  function choose(range, why) {
    chosen = range && { ...range, count: between(range.start, range.end).length };
    whyNone = why;
    onChange(chosen, why);
  }

  return {
    /** Shows another room, on the same day unless that day is over in the room's time zone. */
    showRoom(/** @type {Room} */ next) {
      room = next;
      today = todayIn(room.time_zone);
      date = date > today ? date : today;
      choose(null);
      restart();
    },
    /** Sets start and end. An end that cannot be reached from the start becomes the first possible end. */
    setRange(start, end) {
      const first = slots.find((slot) => slot.start_time === start);
      if (!first) return;
      choose({ start, end: end > start && isFree(start, end) ? end : first.end_time });
      for (const slot of slots) paint(slot);
    },
    /** Clears the choice, which has become a booking, and polls at once. */
    clear() {
      choose(null);
      void refresh();
    },
    refresh: () => room && refresh(),
    room: () => room,
    date: () => date,
    starts: () => slots.filter((slot) => slot.status === 'free').map((slot) => slot.start_time),
    /** The ends that can be reached from a start without crossing a taken slot. */
    endsFrom: (start) =>
      slots
        .filter((slot) => slot.end_time > start && isFree(start, slot.end_time))
        .map((slot) => slot.end_time),
  };
}
