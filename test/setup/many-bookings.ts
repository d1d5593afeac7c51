import pg from 'pg';

/**
 * Fills a database with bookings as years of use would leave them: mostly completed, some confirmed and held ones
 * ahead, a tenth of them cancelled or expired; each with its payment, in one statement so that the two may refer to
 * each other. `ownerUrl` is the owner's, who may choose ids.
 */
export async function fillWithBookings(
  ownerUrl: string,
  size: { bookings: number; users: number; rooms: number },
): Promise<void> {
  const client = new pg.Client({ connectionString: ownerUrl });
  await client.connect();
  try {
    await client.query(
      `insert into users (email, password_hash)
       select 'guest' || n || '@' || (array['example.com', 'example.org', 'mail.example'])[1 + n % 3], '-'
         from generate_series(1, $1::int) n`,
      [size.users],
    );
    await client.query(
      `insert into rooms (name, price_minor, currency, capacity, opening_time, closing_time, time_zone)
       select 'Room ' || n, 1000 + n, 'usd', 10, '00:00', '24:00', 'UTC' from generate_series(1, $1::int) n`,
      [size.rooms],
    );
    await client.query(
      `with plan as (
         select n, u.id as user_id, r.id as room_id,
                date_trunc('day', now()) + interval '30 days' - (n / (40 * $3)) * interval '1 day'
                  + ((n / $3) % 40) * interval '30 minutes' as starts
           from generate_series(1, $1::int) n
           join (select id, row_number() over (order by id) - 1 as place from users where password_hash = '-') u
             on u.place = (n * 7919) % $2
           join (select id, row_number() over (order by id) - 1 as place from rooms) r on r.place = n % $3
       ), decided as (
         select *, case when (n / $3) % 10 = 3 then 'cancelled' when (n / $3) % 20 = 7 then 'expired'
                        when starts < now() - interval '1 hour' then 'completed'
                        when (n / $3) % 25 = 1 then 'pending' else 'confirmed' end as status
           from plan
       ), made as (
         insert into bookings (id, ref, user_id, room_id, time_zone, during, booking_date, start_time, end_time,
                               number_of_slots, guest_count, amount_minor, currency, status, payment_status, hold_expires_at,
                               workflow_id, confirmed_payment_id, created_at)
         overriding system value
         select n, gen_random_uuid(), user_id, room_id, 'UTC', tstzrange(starts, starts + interval '30 minutes'),
                (starts at time zone 'UTC')::date, (starts at time zone 'UTC')::time, (starts at time zone 'UTC')::time + interval '30 minutes',
                1, 2, 1000 + n % 500, 'usd', status,
                case when n % 5000 = 9 then 'failed' when status in ('confirmed', 'completed') then 'succeeded'
                     else 'pending' end,
                now() + interval '1 hour', 'booking-' || n,
                case when status in ('confirmed', 'completed') then n end, least(starts - interval '3 days', now())
           from decided returning id, status, amount_minor
       )
       insert into payments (id, ref, booking_id, attempt, stripe_payment_intent_id, amount_minor, currency, status,
                             amount_received_minor, decision)
       overriding system value
       select id, gen_random_uuid(), id, 1, 'pi_' || id, amount_minor, 'usd',
              case when status in ('confirmed', 'completed') then 'succeeded' when status = 'pending'
                   then 'requires_payment_method' else 'canceled' end,
              case when status in ('confirmed', 'completed') then amount_minor else 0 end,
              case when status in ('confirmed', 'completed') then 'kept' end
         from made`,
      [size.bookings, size.users, size.rooms],
    );
    await client.query('analyze');
  } finally {
    await client.end();
  }
}
