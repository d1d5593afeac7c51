-- Takes a slot in one round trip. A function, because each of its statements sees what committed before it,
-- which one statement with a lock inside does not: the count of open holds would be read before the lock.
-- Lock order everywhere: user, room, booking. The exclusion constraint of `claims` decides; the look before it only spares
-- the losers of a stampede the locks.
-- `request`: the members of `HoldRequest` (db/hold-slot.ts). The caller has priced a room that it remembers, so its
-- version is compared first: nothing is refused by a rule that the room no longer has.
create function hold_slot(request jsonb) returns table (
  outcome text, booking booking_rows, outbox_id bigint, conflict_ref uuid, conflict_start time, conflict_end time,
  retry_after_seconds integer
) language plpgsql as $$
declare
  v_now timestamptz := clock_timestamp();
  v_ref uuid := request ->> 'ref';
  v_user_id integer := request ->> 'userId';
  v_room_id integer := request ->> 'roomId';
  v_room_version integer := request ->> 'roomVersion';
  v_starts_at timestamptz := request ->> 'startsAt';
  v_date date := request ->> 'date';
  v_start_time time := request ->> 'startTime';
  v_end_time time := request ->> 'endTime';
  v_wall_clock tsrange := wall_clock(v_date, v_start_time, v_end_time);
  v_open_holds_max integer := request ->> 'openHoldsMax';
  v_repeated_holds_max integer := request ->> 'repeatedHoldsMax';
  v_idempotency_lease uuid := request ->> 'idempotencyLease';
  v_room rooms%rowtype;
  v_booking_id integer;
begin
  select * into v_room from rooms r where r.id = v_room_id;
  if not found or not v_room.is_available then
    outcome := 'room_unavailable'; return next; return;
  end if;
  if v_room.version <> v_room_version then
    outcome := 'room_changed'; return next; return;
  end if;

  if v_starts_at <= v_now then
    outcome := 'in_the_past'; return next; return;
  end if;
  -- In hours: a day of Postgres is as long as the clock of the session's time zone makes it.
  if v_starts_at > v_now + (request ->> 'horizonDays')::integer * interval '24 hours' then
    outcome := 'too_far_ahead'; return next; return;
  end if;

  select b.ref, b.start_time, b.end_time,
         case when is_overdue(b, v_now) then 'overdue' else 'slot_taken' end
    into conflict_ref, conflict_start, conflict_end, outcome
    from claims c join bookings b on b.id = c.booking_id
   where c.room_id = v_room_id and c.during && v_wall_clock
   order by b.status, b.hold_expires_at desc limit 1;
  if found then
    return next; return;
  end if;

  -- The user's row is locked where holds are counted, so that two requests at once do not both see the last place.
  if v_open_holds_max > 0 or v_repeated_holds_max > 0 then
    perform from users u where u.id = v_user_id and u.is_active for no key update;
  else
    perform from users u where u.id = v_user_id and u.is_active;
  end if;
  if not found then
    outcome := 'user_unknown'; return next; return;
  end if;
  if v_open_holds_max > 0 and (
    select count(*) from bookings b
     where b.user_id = v_user_id and b.status = 'pending' and b.hold_expires_at > v_now
  ) >= v_open_holds_max then
    outcome := 'too_many_holds'; return next; return;
  end if;
  if v_repeated_holds_max > 0 then
    -- The newest that count: when the last of them is a day old, there is a place again.
    select greatest(1, ceil(extract(epoch from min(n.created_at) + interval '24 hours' - v_now)))
      into retry_after_seconds
      from (select b.created_at from bookings b
             where b.user_id = v_user_id and b.room_id = v_room_id and b.booking_date = v_date
               and b.status in ('expired', 'cancelled') and b.confirmed_payment_id is null
               and b.payment_status not in ('succeeded', 'refunded')
               and wall_clock(b.booking_date, b.start_time, b.end_time) && v_wall_clock
               and b.created_at > v_now - interval '24 hours'
             order by b.created_at desc limit v_repeated_holds_max) n
    having count(*) >= v_repeated_holds_max;
    if found then
      outcome := 'held_too_often'; return next; return;
    end if;
  end if;

  select * into v_room from rooms r where r.id = v_room_id for no key update;
  if not found or v_room.version <> v_room_version then
    outcome := 'room_changed'; return next; return;
  end if;

  -- The clock again: the locks may have been waited for.
  v_now := clock_timestamp();
  if v_starts_at <= v_now then
    outcome := 'in_the_past'; return next; return;
  end if;
  -- An unpaid hold ends when its stay begins, however long a hold may be.
  insert into bookings (ref, user_id, room_id, booking_date, start_time, end_time, time_zone, during, number_of_slots,
                        guest_count, special_requests, amount_minor, currency, hold_expires_at, workflow_id,
                        created_at, updated_at)
  values (v_ref, v_user_id, v_room_id, v_date, v_start_time, v_end_time, v_room.time_zone,
          tstzrange(v_starts_at, (request ->> 'endsAt')::timestamptz), (request ->> 'numberOfSlots')::integer,
          (request ->> 'guestCount')::integer, request ->> 'specialRequests',
          (request ->> 'amountMinor')::integer, request ->> 'currency',
          least(v_now + (request ->> 'holdMs')::integer * interval '1 millisecond', v_starts_at),
          'booking-' || v_ref, v_now, v_now)
  returning id into v_booking_id;

  insert into booking_events (booking_id, actor, to_status, cause)
  values (v_booking_id, request ->> 'actor', 'pending', 'requested');

  outbox_id := leave_message(
    'start_booking', jsonb_build_object('bookingRef', v_ref, 'summary', request ->> 'summary'),
    (request ->> 'outboxLeaseMs')::integer
  );

  if v_idempotency_lease is not null then
    update idempotency_keys k set result_id = v_booking_id where k.lease_id = v_idempotency_lease and k.result_id is null;
    if not found then
      raise exception 'the idempotency lease is lost' using errcode = 'lock_not_available';
    end if;
  end if;

  select * into booking from booking_rows v where v.id = v_booking_id;
  outcome := 'held';
  return next;
end $$;
