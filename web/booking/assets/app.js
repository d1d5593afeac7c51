import { request } from './api.js';
import { createDesk } from './desk.js';
import { byId, h, whileBusy } from './dom.js';
import { createMyBookings } from './my-bookings.js';
import { showRooms } from './rooms.js';
import { createSession } from './session.js';
import { settings } from './settings.js';
import { createSignIn } from './sign-in.js';
import { createSlots } from './slots.js';

/** Where the parts of the booking page are put together. Each knows only what it is handed here. */

const session = createSession({ onChange: () => showAccount() });
const signIn = createSignIn({ session });

const slots = createSlots({
  call: request,
  dayPlace: byId('day'),
  place: byId('slots'),
  zonePlace: byId('slots-zone'),
  horizonDays: settings.horizonDays,
  onChange(chosen, why) {
    if (chosen) desk.makeRoom();
    desk.showChoice(chosen, why);
  },
  onRefusal: showNotice,
});

const desk = createDesk({
  place: byId('desk'),
  session,
  slots,
  askSignIn: signIn.ask,
  onBookingsChange: () => void mine.refresh(),
});

const mine = createMyBookings({
  place: byId('mine'),
  session,
  onPay: (booking) => desk.open(booking),
  onCancelled(booking) {
    desk.changed(booking);
    void slots.refresh();
  },
});

/**
 * @param {Error | null} refusal null takes back what was said
 * @param {string} [place] the id of a notice
 */
function showNotice(refusal, place = 'page-notice') {
  const notice = byId(place);
  notice.hidden = refusal === null;
  notice.textContent = refusal?.message ?? '';
}

async function signOut() {
  showNotice(null, 'account-notice');
  try {
    await session.signOut();
  } catch (refusal) {
    showNotice(new Error(`You are still signed in. ${refusal.message}`), 'account-notice');
  }
}

function showAccount() {
  showNotice(null, 'account-notice');
  const out = h(
    'button',
    { type: 'button', class: 'quiet', onclick: () => void whileBusy(out, signOut) },
    'Sign out',
  );
  const open = h('button', { type: 'button', class: 'quiet', onclick: () => void signIn.ask() }, 'Sign in');
  byId('account').replaceChildren(
    ...(session.signedIn() ? [h('span', { class: 'me' }, session.email()), out] : [open]),
  );
  mine.follow();
  if (!session.signedIn()) desk.signedOut();
}

/** All rooms, page by page. */
async function loadRooms() {
  /** @type {import('./api.js').Room[]} */
  const rooms = [];
  /** @type {string | null} */
  let next = '';
  while (next !== null) {
    /** @type {{ rooms: import('./api.js').Room[], next: string | null }} */
    const page = await request('GET', `/api/rooms/${next && `?cursor=${next}`}`);
    rooms.push(...page.rooms);
    next = page.next;
  }
  return rooms;
}

async function start() {
  showAccount();
  desk.showChoice(null);
  const resumed = session.resume();
  try {
    const rooms = await loadRooms();
    const [first] = rooms;
    showRooms(byId('rooms'), rooms, {
      chosenId: first?.id,
      onChoose(room) {
        desk.makeRoom();
        slots.showRoom(room);
      },
    });
    if (first) slots.showRoom(first);
  } catch (refusal) {
    showNotice(refusal);
  }
  if ((await resumed) && location.hash === '#mine') byId('mine').scrollIntoView();
}

void start();
