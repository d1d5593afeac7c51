-- Takes a slot in one round trip. A function, because each of its statements sees what committed before it,
-- which one statement with a lock inside does not: the count of open holds would be read before the lock.
-- Lock order everywhere: user, room, booking. The exclusion constraint decides; the look before it only spares
-- the losers of a stampede the locks.
create function hold_slot(
  p_ref uuid, p_user_id integer, p_actor text,
  p_room_id integer, p_room_version integer,
  p_during tstzrange, p_booking_date date, p_start_time time, p_end_time time,
  p_number_of_slots integer, p_guest_count integer, p_special_requests text,
  p_amount_minor integer, p_currency text,
  p_hold_ms integer, p_horizon_days integer, p_open_holds_max integer,
  p_summary text, p_lease_ms integer, p_idempotency_lease uuid
) returns table (
  outcome text, booking_id integer, user_email text, created_at timestamptz, hold_expires_at timestamptz,
  outbox_id bigint, conflict_ref uuid, conflict_start time, conflict_end time
) language plpgsql as $$
declare
  v_now timestamptz := clock_timestamp();
  v_room rooms%rowtype;
begin
  if lower(p_during) <= v_now then
    outcome := 'in_the_past'; return next; return;
  end if;
  if lower(p_during) > v_now + make_interval(days => p_horizon_days) then
    outcome := 'too_far_ahead'; return next; return;
  end if;

  select b.ref, b.start_time, b.end_time,
         case when is_overdue(b, v_now) then 'overdue' else 'slot_taken' end
    into conflict_ref, conflict_start, conflict_end, outcome
    from bookings b
   where b.room_id = p_room_id and b.during && p_during and b.status in ('pending', 'confirmed')
   order by b.status, b.hold_expires_at desc limit 1;
  if found then
    return next; return;
  end if;

  if p_open_holds_max > 0 then
    select u.email into user_email from users u where u.id = p_user_id and u.is_active for no key update;
  else
    select u.email into user_email from users u where u.id = p_user_id and u.is_active;
  end if;
  if not found then
    outcome := 'user_unknown'; return next; return;
  end if;
  if p_open_holds_max > 0 and (
    select count(*) from bookings b
     where b.user_id = p_user_id and b.status = 'pending' and b.hold_expires_at > v_now
  ) >= p_open_holds_max then
    outcome := 'too_many_holds'; return next; return;
  end if;

  select * into v_room from rooms r where r.id = p_room_id for no key update;
  if not found or not v_room.is_available then
    outcome := 'room_unavailable'; return next; return;
  end if;
  if v_room.version <> p_room_version then
    outcome := 'room_changed'; return next; return;
  end if;

  -- The clock again: the locks may have been waited for.
  v_now := clock_timestamp();
  insert into bookings (ref, user_id, room_id, during, booking_date, start_time, end_time, number_of_slots,
                        guest_count, special_requests, amount_minor, currency, hold_expires_at, workflow_id,
                        created_at, updated_at)
  values (p_ref, p_user_id, p_room_id, p_during, p_booking_date, p_start_time, p_end_time, p_number_of_slots,
          p_guest_count, p_special_requests, p_amount_minor, p_currency,
          v_now + p_hold_ms * interval '1 millisecond', 'booking-' || p_ref, v_now, v_now)
  returning bookings.id, bookings.created_at, bookings.hold_expires_at
       into booking_id, created_at, hold_expires_at;

  insert into booking_events (booking_id, actor, to_status, cause)
  values (booking_id, p_actor, 'pending', 'requested');

  outbox_id := leave_message(
    'start_booking', jsonb_build_object('bookingRef', p_ref, 'summary', p_summary), p_lease_ms
  );

  if p_idempotency_lease is not null then
    update idempotency_keys k set made_id = booking_id where k.lease_id = p_idempotency_lease and k.made_id is null;
    if not found then
      raise exception 'the idempotency lease is lost' using errcode = 'lock_not_available';
    end if;
  end if;

  outcome := 'held';
  return next;
end $$;
