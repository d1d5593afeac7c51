/**
 * The floor of a booking: lock the room, insert the booking, insert the outbox row, in one statement. Frozen: the
 * ratios of all runs are relative to it. Its message is never due, so that no relay delivers it.
 */
export const bookingFloor = `
  with room as (
    select id from rooms where id = $1 for no key update
  ), booking as (
    insert into bookings (ref, user_id, room_id, time_zone, during, booking_date, start_time, end_time,
                          number_of_slots, guest_count, amount_minor, currency, hold_expires_at, workflow_id)
    select gen_random_uuid(), $2, id, 'UTC', tstzrange($3, $4), $5, $6, $7, 1, 2, 2000, 'usd', now() + interval '1 day', 'floor'
      from room
    returning ref
  )
  insert into outbox (topic, priority, payload, available_at)
  select 'start_booking', 2, jsonb_build_object('bookingRef', ref), 'infinity' from booking`;

/** The floor of a webhook: one insert. */
export const eventFloor = 'insert into stripe_events (id, type, object_id) values ($1, $2, $3)';
