-- Confirms a hold with its payment where nothing is doubtful: the hold stands, the stay has not begun or was paid before
-- it began, the whole amount came, in its currency, and none of it went back. Anything else is decided by core/payments/decide-payment.ts.
create function confirm_hold(p_payment_ref uuid, p_actor text, p_workflow_id text) returns boolean
language plpgsql as $$
declare
  v_booking bookings%rowtype;
  v_payment payments%rowtype;
begin
  select b.* into v_booking from bookings b
   where b.id = (select p.booking_id from payments p where p.ref = p_payment_ref) for no key update;
  if not found or v_booking.status <> 'pending' then
    return false;
  end if;
  select * into v_payment from payments p where p.ref = p_payment_ref for no key update;
  if v_payment.status <> 'succeeded'
    or v_payment.amount_received_minor <> v_booking.amount_minor or v_payment.currency <> v_booking.currency
    or v_payment.decision is not null or v_payment.refunding_minor > 0
    or (lower(v_booking.during) <= clock_timestamp()
        and coalesce(v_payment.charged_at, 'infinity') >= lower(v_booking.during))
  then
    return false;
  end if;

  update bookings
     set status = 'confirmed', payment_status = 'succeeded', confirmed_payment_id = v_payment.id,
         workflow_id = coalesce(p_workflow_id, workflow_id), settle_lease_until = null, updated_at = clock_timestamp()
   where id = v_booking.id;
  update payments set decision = 'kept' where id = v_payment.id;
  insert into booking_events (booking_id, actor, from_status, to_status, cause)
  values (v_booking.id, p_actor, 'pending', 'confirmed', 'paid');
  return true;
end $$;
