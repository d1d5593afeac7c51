-- Was a booking paid for with the money that it costs? Else the money goes back, whatever the booking is.
create function is_amount_due(p_payment payments, p_booking bookings) returns boolean language sql stable as $$
  select p_payment.amount_received_minor = p_booking.amount_minor and p_payment.currency = p_booking.currency
$$;

-- Decides, once, on a payment that does not confirm its booking: its money goes back. The caller has locked booking and
-- payment.
create function return_payment(p_payment payments, p_booking bookings, p_reason text) returns void language plpgsql as $$
begin
  update payments set decision = 'returned' where id = p_payment.id;
  if p_reason = 'mismatch' then
    perform raise_flag('payment_mismatch', p_payment.stripe_payment_intent_id,
      format('%s %s came for a booking of %s %s.', p_payment.amount_received_minor, p_payment.currency,
             p_booking.amount_minor, p_booking.currency),
      p_booking.id);
  end if;
  perform refund_payment(p_payment.id, p_reason);
end $$;

-- Decides, once, on a payment that confirms its booking. The caller has locked booking and payment.
-- Returns false when somebody else has moved the booking first.
create function keep_payment(
  p_payment payments, p_actor text, p_cause text, p_workflow_id text
) returns boolean language plpgsql as $$
begin
  if not move_booking(p_payment.booking_id, 'confirmed', p_actor, p_cause, p_payment.id, p_workflow_id) then
    return false;
  end if;
  update payments set decision = 'kept' where id = p_payment.id;
  return true;
end $$;

-- Decides on the payment of a hold, in one round trip: it confirms the hold when the whole amount came, in its currency,
-- and the stay has not begun or was paid for before it began. The event of a charge may arrive after the start, so the
-- charge's own time decides. A payment of a booking that is no hold is decided by core/payments/decide-payment.ts.
-- Returns the decision; null when there is nothing to decide here: no such payment, not paid, decided already, or no hold.
create function decide_hold_payment(p_payment_ref uuid, p_actor text, p_workflow_id text) returns text
language plpgsql as $$
declare
  v_booking bookings%rowtype;
  v_payment payments%rowtype;
  v_is_in_time boolean;
begin
  select b.* into v_booking from bookings b
   where b.id = (select p.booking_id from payments p where p.ref = p_payment_ref) for no key update;
  if not found or v_booking.status <> 'pending' then
    return null;
  end if;
  select * into v_payment from payments p where p.ref = p_payment_ref for no key update;
  if v_payment.status <> 'succeeded' or v_payment.decision is not null then
    return null;
  end if;

  v_is_in_time := lower(v_booking.during) > clock_timestamp()
    or coalesce(v_payment.charged_at, 'infinity') < lower(v_booking.during);
  if is_amount_due(v_payment, v_booking) and v_is_in_time then
    perform keep_payment(v_payment, p_actor, 'paid', p_workflow_id);
    -- The booking shows now what went back at Stripe before this was decided.
    if v_payment.refunding_minor > 0 then
      perform show_money(v_booking.id);
    end if;
    return 'kept';
  end if;
  perform return_payment(v_payment, v_booking,
    case when is_amount_due(v_payment, v_booking) then 'late' else 'mismatch' end);
  perform show_money(v_booking.id);
  return 'returned';
end $$;
