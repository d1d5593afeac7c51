import type pg from 'pg';
import { roomsCount } from './load/job.ts';
import { usersCount } from './seed.ts';

/**
 * Fills a database as a large venue's would be: `payments` bookings with a payment each, of which `openBookings` are
 * open, a quarter of these held and three quarters confirmed for the weeks ahead; and an event of Stripe's for each.
 * @param client a superuser's: triggers, and the checks of references, are left out, and the exclusion constraint is built
 * in one go afterwards
 */
export async function fillHistory(
  client: pg.Client,
  { payments, openBookings }: { payments: number; openBookings: number },
): Promise<void> {
  await client.query('set session_replication_role = replica');
  const { rows: exclusions } = await client.query<{ table: string; name: string; definition: string }>(
    `select conrelid::regclass::text as table, conname as name, pg_get_constraintdef(oid) as definition
       from pg_constraint where contype = 'x'`,
  );
  for (const { table, name } of exclusions)
    await client.query(`alter table ${table} drop constraint ${name}`);
  const past = payments - openBookings;
  const step = 100_000;
  for (let from = 1; from <= payments; from += step) {
    await client.query(fillSql, [from, Math.min(payments, from + step - 1), past]);
  }
  await client.query(
    `insert into claims (booking_id, room_id, during)
     select id, room_id, wall_clock(booking_date, start_time, end_time) from bookings
      where status in ('pending', 'confirmed')`,
  );
  for (const { table, name, definition } of exclusions)
    await client.query(`alter table ${table} add constraint ${name} ${definition}`);
  await client.query(
    `insert into stripe_events (id, type, object_id, received_at)
     select 'evt_' || n, 'payment_intent.succeeded', 'pi_' || n, now() - n * interval '2 seconds'
       from generate_series(1, $1::int) n`,
    [payments],
  );
  await client.query(
    `select setval(pg_get_serial_sequence('bookings', 'id'), $1),
            setval(pg_get_serial_sequence('payments', 'id'), $1)`,
    [payments],
  );
  await client.query('set session_replication_role = default');
  await client.query('vacuum analyze');
}

const fillSql = `
  with placed as (
    select n, n > $3::int as is_open,
           case when n <= $3::int then 'completed' when n % 4 = 0 then 'pending' else 'confirmed' end as status,
           date_trunc('day', now()) + case when n <= $3::int
             then -(n / ${roomsCount} + 1) * interval '30 minutes'
             else interval '1 day' + ((n - $3::int) / ${roomsCount}) * interval '30 minutes' end as starts
      from generate_series($1::int, $2::int) n
  ), booked as (
    insert into bookings (id, ref, user_id, room_id, time_zone, during, booking_date, start_time, end_time,
                          number_of_slots, guest_count, amount_minor, currency, status, payment_status, hold_expires_at,
                          workflow_id, confirmed_payment_id, created_at, updated_at)
    overriding system value
    select n, gen_random_uuid(), 1 + n % ${usersCount}, 1 + n % ${roomsCount}, 'UTC',
           tstzrange(starts, starts + interval '30 minutes'), starts::date, starts::time,
           case when starts::time = '23:30' then '24:00' else starts::time + interval '30 minutes' end,
           1, 2, 2000, 'usd', status, case when status = 'pending' then 'pending' else 'succeeded' end,
           now() + interval '1 day', 'booking-' || n, case when status <> 'pending' then n end,
           now() - interval '1 hour', now() - interval '1 hour'
      from placed
  )
  insert into payments (id, ref, booking_id, attempt, stripe_payment_intent_id, amount_minor, currency, status,
                        amount_received_minor, decision, updated_at)
  overriding system value
  select n, gen_random_uuid(), n, 1, 'pi_' || n, 2000, 'usd',
         case when status = 'pending' then 'requires_payment_method' else 'succeeded' end,
         case when status = 'pending' then 0 else 2000 end,
         case when status <> 'pending' then 'kept' end, now() - interval '1 hour'
    from placed`;
