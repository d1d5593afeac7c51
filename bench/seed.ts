import type pg from 'pg';
import { placeOf, roomsCount, type SeededPayment, slotsPerDay, todayMs } from './load/job.ts';

/** Users 1 to 64 of every database; the last is staff. */
export const usersCount = 64;
const staffId = usersCount;
export { staffId };

/** The rooms (open around the clock, half-hour slots, UTC) and users of every database. */
export async function seedTemplate(client: pg.Client): Promise<void> {
  await client.query(
    `insert into rooms (name, description, price_minor, currency, capacity, amenities, opening_time, closing_time, time_zone)
     select 'Room ' || n, 'A room for measuring, with a view of nothing in particular', 2000, 'usd', 10,
            '{WiFi,Projector}', '00:00', '24:00', 'UTC'
       from generate_series(1, $1::int) n`,
    [roomsCount],
  );
  await client.query(
    `insert into users (email, password_hash, is_staff, is_superuser)
     select 'user' || n || '@example.com', 'none', n = $1, n = $1 from generate_series(1, $1::int) n`,
    [usersCount],
  );
  const ids = Array.from({ length: usersCount }, (_, n) => n + 1);
  await client.query(
    `insert into sessions (id, user_id, expires_at)
     select s.id, s.user_id, now() + interval '30 days' from unnest($1::uuid[], $2::int[]) as s (id, user_id)`,
    [ids.map(sessionIdOf), ids],
  );
}

/** The one session of a user, which the access tokens of the bench name. */
export const sessionIdOf = (userId: number) => `00000000-0000-4000-8000-${String(userId).padStart(12, '0')}`;

/**
 * Bookings of the past, of 50 rooms and 64 users: ids `fromId` … `toId`, 45 % completed with their payment, 45 %
 * expired, 10 % cancelled. Runs ANALYZE afterwards for the planner.
 */
export async function insertPastBookings(client: pg.Client, fromId: number, toId: number): Promise<void> {
  await client.query(
    `with numbered as (
       select n, case when n % 20 < 9 then 'completed' when n % 20 < 18 then 'expired' else 'cancelled' end as status,
              date_trunc('day', now()) - (n / ${roomsCount} + 1) * interval '30 minutes' as starts
         from generate_series($1::int, $2::int) n
     ), booked as (
       insert into bookings (id, ref, user_id, room_id, time_zone, during, booking_date, start_time, end_time,
                             number_of_slots, guest_count, amount_minor, currency, status, payment_status, hold_expires_at,
                             workflow_id, confirmed_payment_id, created_at)
       overriding system value
       select n, gen_random_uuid(), 1 + n % ${usersCount}, 1 + n % ${roomsCount}, 'UTC',
              tstzrange(starts, starts + interval '30 minutes'), starts::date, starts::time,
              case when starts::time = '23:30' then '24:00' else starts::time + interval '30 minutes' end,
              1, 2, 2000, 'usd', status, case when status = 'completed' then 'succeeded' else 'pending' end,
              starts - interval '1 day', 'bulk-' || n, case when status = 'completed' then n end,
              starts - interval '2 days'
         from numbered
     )
     insert into payments (id, ref, booking_id, attempt, stripe_payment_intent_id, amount_minor, currency, status,
                           amount_received_minor, decision)
     overriding system value
     select n, gen_random_uuid(), n, 1, 'pi_bulk_' || n, 2000, 'usd', 'succeeded', 2000, 'kept'
       from numbered where status = 'completed'`,
    [fromId, toId],
  );
  await client.query(
    `select setval(pg_get_serial_sequence('bookings', 'id'), $1),
                             setval(pg_get_serial_sequence('payments', 'id'), $1)`,
    [toId],
  );
  await client.query('vacuum analyze bookings');
  await client.query('vacuum analyze payments');
}

/** Holds two in three slots of a room from tomorrow on, for a week, to measure its availability. */
export async function fillWeek(client: pg.Client, roomId: number): Promise<void> {
  await client.query(
    `insert into bookings (ref, user_id, room_id, time_zone, during, booking_date, start_time, end_time,
                           number_of_slots, guest_count, amount_minor, currency, hold_expires_at, workflow_id)
     select gen_random_uuid(), 1, $1, 'UTC', tstzrange(starts, starts + interval '30 minutes'), starts::date, starts::time,
            case when starts::time = '23:30' then '24:00' else starts::time + interval '30 minutes' end,
            1, 2, 2000, 'usd', now() + interval '1 day', 'bulk'
       from (select date_trunc('day', now()) + interval '1 day' + n * interval '30 minutes' as starts
               from generate_series(0, ${7 * slotsPerDay - 1}) n where n % 3 > 0) slots`,
    [roomId],
  );
}

export interface SeededBooking {
  id: number;
  ref: string;
  userId: number;
}

/** Pending bookings in the slots `firstSlot` … , of all users in turn, as if the API had taken them. */
export async function insertHolds(
  client: pg.Client,
  firstSlot: number,
  count: number,
): Promise<SeededBooking[]> {
  const today = todayMs();
  const places = Array.from({ length: count }, (_, n) => placeOf(firstSlot + n, today));
  const { rows } = await client.query<SeededBooking>(
    `insert into bookings (ref, user_id, room_id, time_zone, during, booking_date, start_time, end_time,
                           number_of_slots, guest_count, amount_minor, currency, hold_expires_at, workflow_id)
     select ref, 1 + (n - 1) % ${usersCount}, room, 'UTC', tstzrange(starts, ends), date, start_time, end_time, 1, 2, 2000,
            'usd', now() + interval '1 day', 'booking-' || ref
       from (select gen_random_uuid() as ref, *
               from unnest($1::int[], $2::timestamptz[], $3::timestamptz[], $4::date[], $5::time[], $6::time[])
               with ordinality as p(room, starts, ends, date, start_time, end_time, n)) placed
     returning id, ref, user_id as "userId"`,
    (['roomId', 'startsAt', 'endsAt', 'date', 'start', 'end'] as const).map((key) =>
      places.map((place) => place[key]),
    ),
  );
  return rows;
}

/** A live payment for each of the bookings, with a PaymentIntent that only the bench knows. */
export async function insertPayments(
  client: pg.Client,
  bookings: readonly SeededBooking[],
): Promise<SeededPayment[]> {
  const { rows } = await client.query<SeededPayment>(
    `insert into payments (ref, booking_id, attempt, stripe_payment_intent_id, amount_minor, currency, status)
     select gen_random_uuid(), id, 1, 'pi_bench_' || id, 2000, 'usd', 'requires_payment_method'
       from unnest($1::int[]) id
     returning ref as "paymentRef", booking_id as "bookingId", stripe_payment_intent_id as "intentId",
               amount_minor as "amountMinor", '' as "bookingRef"`,
    [bookings.map(({ id }) => id)],
  );
  const refs = new Map(bookings.map(({ id, ref }) => [id, ref]));
  return rows.map((row) => ({ ...row, bookingRef: refs.get(row.bookingId) ?? '' }));
}
