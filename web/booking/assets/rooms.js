import { h } from './dom.js';
import { money, shortTime } from './format.js';

/**
 * The rooms as a group of radio buttons.
 * @param {HTMLElement} place
 * @param {import('./api.js').Room[]} rooms
 * @param {{ chosenId: number | undefined, onChoose: (room: import('./api.js').Room) => void }} choice
 */
export function showRooms(place, rooms, { chosenId, onChoose }) {
  place.replaceChildren(
    ...rooms.map((room) =>
      h(
        'label',
        { class: 'room' },
        h('input', {
          type: 'radio',
          name: 'room',
          value: room.id,
          checked: room.id === chosenId,
          onchange: () => onChoose(room),
        }),
        h('span', { class: 'room-name' }, room.name),
        h(
          'span',
          { class: 'room-price' },
          `${money(room.price_per_slot, room.currency)} / ${room.slot_duration_minutes} min`,
        ),
        h('span', { class: 'room-text' }, room.description),
        h(
          'span',
          { class: 'room-facts' },
          `Up to ${room.capacity} guests · `,
          h('span', { class: 'together' }, `${shortTime(room.opening_time)}–${shortTime(room.closing_time)}`),
        ),
        h('span', {}, ...room.amenities.map((amenity) => h('span', { class: 'tag' }, amenity))),
      ),
    ),
  );
}
