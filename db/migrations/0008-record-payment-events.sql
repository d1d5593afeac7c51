-- Several payment events in one round trip and one commit: what has gathered while earlier ones were recorded. Each is
-- recorded as record_payment_event does it, or none is. In the order of their PaymentIntents, so that two such calls
-- take their locks in the same order.
create function record_payment_events(p_events jsonb, p_lease_ms integer) returns table (
  place integer, outcome text, outbox_id bigint, topic text, payload jsonb
) language plpgsql as $$
declare
  v_event record;
begin
  for v_event in
    select listed.place, told.*
      from jsonb_array_elements(p_events) with ordinality as listed (event, place),
           jsonb_to_record(listed.event) as told (
             "eventId" text, type text, "intentId" text, status text, "amountMinor" integer, "receivedMinor" integer,
             currency text, "paymentRef" uuid, "bookingRef" uuid
           )
     order by told."intentId", listed.place
  loop
    return query
      select v_event.place::integer - 1, recorded.*
        from record_payment_event(
          v_event."eventId", v_event.type, v_event."intentId", v_event.status, v_event."amountMinor",
          v_event."receivedMinor", v_event.currency, v_event."paymentRef", v_event."bookingRef", p_lease_ms
        ) recorded;
  end loop;
end $$;
