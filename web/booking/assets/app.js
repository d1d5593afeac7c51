import { request } from './api.js';
import { createBookingCard } from './booking-card.js';
import { byId, h, whileBusy } from './dom.js';
import { createMyBookings } from './my-bookings.js';
import { showRooms } from './rooms.js';
import { createSession } from './session.js';
import { settings } from './settings.js';
import { createSignIn } from './sign-in.js';
import { createSlots } from './slots.js';

/** Puts the parts of the booking page together. Each part knows only what it gets here. */

const session = createSession({ onChange: () => showAccount() });
const signIn = createSignIn({ session });

const slots = createSlots({
  call: request,
  dayPlace: byId('day'),
  place: byId('slots'),
  zonePlace: byId('slots-zone'),
  horizonDays: settings.horizonDays,
  onChange(chosen, why) {
    if (chosen) bookingCard.clearFinished();
    bookingCard.showChoice(chosen, why);
  },
  onRefusal: showNotice,
});

const bookingCard = createBookingCard({
  place: byId('booking-card'),
  session,
  slots,
  askSignIn: signIn.ask,
  onBookingsChange: () => void mine.refresh(),
});

const mine = createMyBookings({
  place: byId('mine'),
  session,
  onPay: (booking) => bookingCard.open(booking),
  onCancelled(booking) {
    bookingCard.changed(booking);
    void slots.refresh();
  },
});

/**
 * @param {Error | null} refusal null hides the notice
 * @param {string} [place] the id of the notice
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
  if (!session.signedIn()) bookingCard.signedOut();
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
  bookingCard.showChoice(null);
  const resumed = session.resume();
  try {
    const rooms = await loadRooms();
    const [first] = rooms;
    showRooms(byId('rooms'), rooms, {
      chosenId: first?.id,
      onChoose(room) {
        bookingCard.clearFinished();
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
