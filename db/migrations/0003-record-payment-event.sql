-- A verified payment_intent.* event in one round trip: remember its id, record the fact, leave the message.
-- `succeeded` and `canceled` are final and recorded as they come; anything else, or anything that does not match
-- what we asked for, is only a hint: the message makes an activity ask Stripe (payload.verify).
create function record_payment_event(
  p_event_id text, p_type text, p_intent_id text, p_status text,
  p_amount_minor integer, p_received_minor integer, p_currency text,
  p_payment_ref uuid, p_booking_ref uuid, p_lease_ms integer
) returns table (outcome text, outbox_id bigint, topic text, payload jsonb) language plpgsql as $$
declare
  v_payment payments%rowtype;
  v_booking_id integer;
  v_booking_ref uuid;
  v_matches boolean;
  v_final boolean := p_status in ('succeeded', 'canceled');
begin
  insert into stripe_events (id, type, object_id) values (p_event_id, p_type, p_intent_id)
  on conflict (id) do nothing;
  if not found then
    outcome := 'repeat'; return next; return;
  end if;

  select * into v_payment from payments p where p.stripe_payment_intent_id = p_intent_id;
  if not found and p_payment_ref is not null then
    -- The intent exists, but the reply that names it was lost on its way to us.
    select * into v_payment from payments p where p.ref = p_payment_ref and p.stripe_payment_intent_id is null;
  end if;

  if v_payment.id is null then
    if p_booking_ref is null then
      outcome := 'foreign'; return next; return;
    end if;
    select b.id, b.ref into v_booking_id, v_booking_ref from bookings b where b.ref = p_booking_ref;
    outcome := case when v_booking_id is null then 'unknown_booking' else 'unknown_intent' end;
    topic := case when v_booking_id is null then 'orphan_payment' else 'payment' end;
    payload := jsonb_build_object('bookingRef', p_booking_ref, 'intentId', p_intent_id, 'verify', true);
    if v_booking_id is null then
      insert into flags (kind, subject, detail)
      values ('unknown_booking', p_intent_id, 'Stripe reports a payment for a booking that is not here.')
      on conflict do nothing;
    end if;
  else
    -- Lock order: booking before payment.
    select b.ref into v_booking_ref from bookings b where b.id = v_payment.booking_id for no key update;
    select * into v_payment from payments p where p.id = v_payment.id for no key update;
    v_matches := p_amount_minor = v_payment.amount_minor and p_currency = v_payment.currency
      and (p_booking_ref is null or p_booking_ref = v_booking_ref)
      and (p_status <> 'succeeded' or p_received_minor = v_payment.amount_minor);
    if not v_matches then
      insert into flags (kind, subject, detail, booking_id)
      values ('payment_mismatch', p_intent_id, 'An event of this payment does not match its booking: ' || p_type,
              v_payment.booking_id)
      on conflict do nothing;
    end if;
    outcome := case when v_matches and v_final then 'recorded' else 'to_verify' end;

    update payments p
       set stripe_payment_intent_id = p_intent_id,
           status = case when v_matches then p_status
                         when p.status = 'creating' then 'requires_payment_method' else p.status end,
           amount_received_minor = case when v_matches and p_status = 'succeeded' then p_received_minor
                                        else p.amount_received_minor end,
           updated_at = clock_timestamp()
     where p.id = v_payment.id and p.status not in ('succeeded', 'canceled');
    if not found and v_payment.status <> p_status and v_final then
      -- Two final answers that disagree: Stripe must be asked.
      outcome := 'to_verify';
    end if;

    if v_matches and v_payment.status not in ('succeeded', 'canceled') then
      update bookings b
         set payment_status = case when p_status = 'succeeded' then 'succeeded'
                                   when p_status = 'processing' then 'processing'
                                   when p_type = 'payment_intent.payment_failed' then 'failed'
                                   else b.payment_status end,
             updated_at = clock_timestamp()
       where b.id = v_payment.booking_id and b.payment_status in ('pending', 'processing', 'failed');
    end if;

    if outcome = 'recorded' and p_status = 'canceled' then
      return next; return;
    end if;
    topic := 'payment';
    payload := jsonb_build_object('bookingRef', v_booking_ref, 'paymentRef', v_payment.ref,
                                  'intentId', p_intent_id, 'verify', outcome <> 'recorded');
  end if;

  insert into outbox (topic, priority, payload, available_at)
  values (record_payment_event.topic, 1, record_payment_event.payload,
          clock_timestamp() + p_lease_ms * interval '1 millisecond')
  returning outbox.id into outbox_id;
  return next;
end $$;
