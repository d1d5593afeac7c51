-- The two ends of nearly every hold, in one round trip, so that the booking is locked for no longer than Postgres
-- itself needs. Neither locks the room: the slot goes on being held, or is given back, and neither can overlap another.

-- Expires a hold that was not paid. Without `p_leased` only if its deadline has passed, nobody is settling it, and no
-- PaymentIntent of it could be paid: then Stripe has no say in it. The row is locked first, and what is asked of the
-- payments comes after, in statements that see what was committed meanwhile. `p_latest` is the latest that it can be by
-- the caller's clock: a database whose clock is ahead ends no hold before its time.
create function expire_hold(p_ref uuid, p_actor text, p_cause text, p_leased boolean, p_latest timestamptz) returns boolean
language plpgsql as $$
declare
  v_booking bookings%rowtype;
begin
  select * into v_booking from bookings b where b.ref = p_ref for no key update;
  if not found or v_booking.status <> 'pending' then
    return false;
  end if;
  if not p_leased and (
    settle_at(v_booking) > least(clock_timestamp(), p_latest)
    or coalesce(v_booking.settle_lease_until, '-infinity') >= clock_timestamp()
    or exists (select 1 from payments p where p.booking_id = v_booking.id and is_payable(p))
  ) then
    return false;
  end if;
  if exists (select 1 from payments p where p.booking_id = v_booking.id and p.status = 'succeeded'
               and p.decision is null) then
    return false;
  end if;

  update bookings set status = 'expired', settle_lease_until = null, updated_at = clock_timestamp()
   where id = v_booking.id;
  insert into booking_events (booking_id, actor, from_status, to_status, cause)
  values (v_booking.id, p_actor, 'pending', 'expired', p_cause);
  return true;
end $$;

-- Expires holds that are overdue by `p_late_ms` and that nobody began to pay for, the most overdue first. Waits for no
-- lock: whoever works on a booking meanwhile has it.
create function expire_overdue_holds(p_late_ms integer, p_limit integer, p_actor text, p_latest timestamptz)
returns integer
language plpgsql as $$
declare
  v_ref uuid;
  v_due timestamptz := least(clock_timestamp(), p_latest) - p_late_ms * interval '1 millisecond';
  v_expired integer := 0;
begin
  for v_ref in
    select b.ref from bookings b
     where is_overdue(b, v_due)
       and not exists (select 1 from payments p where p.booking_id = b.id and is_payable(p))
     order by settle_at(b) limit p_limit
       for no key update skip locked
  loop
    v_expired := v_expired + expire_hold(v_ref, p_actor, 'unpaid', false, p_latest)::integer;
  end loop;
  return v_expired;
end $$;
