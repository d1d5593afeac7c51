import type { TokenSubject } from '../../core/accounts/check-session.ts';
import type { Slot } from './browser.ts';
import type { ChaosStack } from './chaos-stack.ts';
import type { Random } from './random.ts';

const guests = 40;
const rooms = 12;
/** Dates begin here, in days from now: far enough that every cancellation is free (FREE_CANCEL_HOURS). */
const firstDay = 3;
const days = 300;
const slotMinutes = 30;
/** Rooms for stays that begin within a day, of a slot of five minutes: some end while the run lasts. */
const nearRooms = 2;
const nearSlotMinutes = 5;
/** From now to the start of such a stay, in minutes: soon, or within the day that a wrong clock jumps over. */
const soonMinutes = [2, 6] as const;
const withinDayMinutes = [6, 23 * 60] as const;
/** Half of the visits want one of these few slots; they move on over time, since paid ones stay taken. */
const hotSlots = 24;
const hotForMs = 15_000;

/** The guests and the rooms of a run, and which slots they want: half of the visits collide over a few. */
export async function createScenario(stack: Pick<ChaosStack, 'query' | 'tokens'>) {
  const hash = '$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5$bm9ib2R5';
  const users = await stack.query<TokenSubject>(
    `with made as (
       insert into users (email, password_hash) select 'guest' || n || '@example.com', $1
         from generate_series(1, $2::integer) n returning id
     )
     insert into sessions (id, user_id, expires_at) select gen_random_uuid(), id, now() + interval '30 days' from made
     returning user_id as "userId", id as "sessionId"`,
    [hash, guests],
  );
  const made = await stack.query<{ id: number }>(
    `insert into rooms (name, price_minor, currency, capacity, opening_time, closing_time, time_zone)
     select 'Room ' || n, 1000 + n, 'usd', 10, '00:00', '24:00', 'UTC' from generate_series(1, $1::integer) n
     returning id`,
    [rooms],
  );
  const near = await stack.query<{ id: number }>(
    `insert into rooms (name, price_minor, currency, capacity, slot_duration_minutes, opening_time, closing_time, time_zone)
     select 'Near room ' || n, 1000 + n, 'usd', 10, $2, '00:00', '24:00', 'UTC' from generate_series(1, $1::integer) n
     returning id`,
    [nearRooms, nearSlotMinutes],
  );
  const [staff] = await stack.query<TokenSubject>(
    `with made as (
       insert into users (email, password_hash, is_staff) values ('staff@example.com', $1, true) returning id
     )
     insert into sessions (id, user_id, expires_at) select gen_random_uuid(), id, now() + interval '30 days' from made
     returning user_id as "userId", id as "sessionId"`,
    [hash],
  );
  if (!staff) throw new Error('no staff was inserted');
  const begunAt = Date.now();
  const tokens = users.map(createGuest);
  const staffMember = createGuest(staff);

  function createGuest(subject: TokenSubject) {
    return { subject, token: '', signedAt: 0 };
  }

  function freshToken(guest: ReturnType<typeof createGuest>): string {
    if (Date.now() - guest.signedAt > 600_000) {
      guest.token = stack.tokens.sign(guest.subject);
      guest.signedAt = Date.now();
    }
    return guest.token;
  }

  function slotAt(index: number, slots: number): Slot {
    const perDay = 1_440 / slotMinutes;
    const start = (index % perDay) * slotMinutes;
    const day = Math.floor(index / perDay) % days;
    const date = new Date(begunAt + (firstDay + day) * 86_400_000).toISOString().slice(0, 10);
    return {
      roomId: made[Math.floor(index / perDay / days) % made.length]?.id ?? 0,
      date,
      start,
      end: Math.min(1_440, start + slots * slotMinutes),
    };
  }

  return {
    /** A signed token of a guest, renewed now and then, since it is valid for half an hour. */
    tokenOf: (random: Random) => freshToken(random.pick(tokens)),
    staffToken: () => freshToken(staffMember),
    staffId: staff.userId,
    /** Rooms that staff may edit: none of those whose stays are near. */
    roomIds: made.map(({ id }) => id),
    /** A slot within a day, in UTC. */
    nearSlotFor(random: Random): Slot {
      const aheadMinutes = random.chance(0.3)
        ? random.between(...soonMinutes)
        : random.between(...withinDayMinutes);
      const stepMs = nearSlotMinutes * 60_000;
      const startsAt = new Date(Math.ceil((Date.now() + aheadMinutes * 60_000) / stepMs) * stepMs);
      const start = startsAt.getUTCHours() * 60 + startsAt.getUTCMinutes();
      const date = startsAt.toISOString().slice(0, 10);
      return { roomId: random.pick(near).id, date, start, end: start + nearSlotMinutes };
    },
    slotFor(random: Random): Slot {
      const slots = random.pick([1, 1, 2, 3]);
      if (random.chance(0.5)) {
        const wave = Math.floor((Date.now() - begunAt) / hotForMs);
        const hot = random.between(0, hotSlots - 1);
        // Spread over all rooms, since contention for one room's lock is not tested here.
        const perRoom = (days * 1_440) / slotMinutes;
        return slotAt((hot % rooms) * perRoom + wave * 4 + Math.floor(hot / rooms), slots);
      }
      return slotAt(random.between(0, (rooms * days * 1_440) / slotMinutes - 1), slots);
    },
    /** A slot that no visit wants: the nth day after all of theirs. */
    reservedSlot(nth: number): Slot {
      const date = new Date(begunAt + (firstDay + days + nth) * 86_400_000).toISOString().slice(0, 10);
      return { roomId: made[0]?.id ?? 0, date, start: 600, end: 600 + slotMinutes };
    },
    bodyOf(slot: Slot, key: string) {
      return {
        room_id: slot.roomId,
        booking_date: slot.date,
        start_time: timeOf(slot.start),
        end_time: timeOf(slot.end),
        guest_count: 1,
        special_requests: key,
      };
    },
  };
}

export type Scenario = Awaited<ReturnType<typeof createScenario>>;

function timeOf(minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
}
