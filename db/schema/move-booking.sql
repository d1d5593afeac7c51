-- Moves a booking along the table of legal moves, and writes the event that says who moved it, from where to where, and
-- why. Every move of every booking is made here. A confirmation names the payment that it rests on, and may give the
-- booking to another workflow.
-- Returns false when the booking is not where that move begins: somebody else has moved it first.
create function move_booking(
  p_booking_id integer, p_to text, p_actor text, p_cause text,
  p_confirmed_payment_id integer default null, p_workflow_id text default null
) returns boolean language plpgsql as $$
declare
  v_from text;
begin
  select status into v_from from bookings where id = p_booking_id for no key update;
  if not found or not is_legal_move(v_from, p_to) then
    return false;
  end if;
  update bookings
     set status = p_to, settle_lease_until = null, updated_at = clock_timestamp(),
         confirmed_payment_id = coalesce(p_confirmed_payment_id, confirmed_payment_id),
         workflow_id = coalesce(p_workflow_id, workflow_id),
         payment_status = case when p_confirmed_payment_id is null then payment_status else 'succeeded' end
   where id = p_booking_id;
  insert into booking_events (booking_id, actor, from_status, to_status, cause)
  values (p_booking_id, p_actor, v_from, p_to, p_cause);
  return true;
end $$;
