-- Expires a hold that was not paid. With `p_leased` the caller holds the lease of an overdue hold and has Stripe's
-- answer. Without it the hold expires only if it is overdue, is not being settled, and has no payable payment, so that
-- Stripe need not be asked. The booking is locked first, so that the statements that read its payments see what was
-- committed meanwhile. The room is not locked: freeing a slot cannot cause an overlap.
-- `p_latest` is an upper bound of the current time by a second clock, so that a database whose clock is ahead ends no
-- hold before its time.
-- Returns false when the hold stays, which includes that there is an undecided payment.
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

  return move_booking(v_booking.id, 'expired', p_actor, p_cause);
end $$;

-- Expires holds that are overdue by `p_late_ms` and without a payable payment, the most overdue first. It waits for no
-- lock: a booking that is locked is being handled already.
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
