-- The ids of recorded events: a repeated event never has an effect.
create table stripe_events (
  id          text primary key,
  type        text not null,
  object_id   text not null,
  received_at timestamptz not null default now()
);

create index stripe_events_by_age on stripe_events (received_at);

-- Records payment events as a set: some ten statements for all of them, instead of ten for each event. Postgres
-- prepares the checks, the index conditions and the triggers of a table once per statement, which costs more than the
-- rows. For each event: store the event's id, record the fact, enqueue the message.
-- `succeeded` and `canceled` are final and are recorded at once. A decline or `processing` decides nothing and sends no
-- message: it only changes what is shown, unless a newer event came first. Some events only make an activity ask Stripe
-- (payload.verify): one that does not match what we asked for or contradicts the record, a success that may have come
-- after the stay began, and the decline that reaches the limit.
-- The events belong to different PaymentIntents. Locks are taken in order, bookings before payments.
create function record_payment_events(p_events jsonb, p_lease_ms integer, p_declines_max integer) returns table (
  place integer, outcome text, outbox_id bigint, topic text, payload jsonb
) language plpgsql
-- Reads a few rows by their keys, whatever the planner believes about tables that were small at the last ANALYZE, and
-- is planned once per connection: for one event, planning costs twice what the rest does.
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  v_new text[];
  v_intents text[];
  v_payments integer[];
begin
  with remembered as (
    insert into stripe_events (id, type, object_id)
    select event."eventId", event.type, event."intentId"
      from jsonb_to_recordset(p_events) as event ("eventId" text, type text, "intentId" text)
     order by event."eventId"
    on conflict (id) do nothing
    returning id
  )
  select coalesce(array_agg(id), '{}') into v_new from remembered;

  with found as (
    select event."intentId" as intent_id, payment.id, payment.booking_id
      from jsonb_to_recordset(p_events) as event ("eventId" text, "intentId" text, "paymentRef" uuid)
     cross join lateral (
       select p.id, p.booking_id from payments p where p.stripe_payment_intent_id = event."intentId"
       union all
       -- The PaymentIntent exists, but Stripe's reply that names it never reached us.
       select p.id, p.booking_id from payments p
        where p.ref = event."paymentRef" and p.stripe_payment_intent_id is null
       limit 1
     ) payment
     where event."eventId" = any (v_new)
  ), locked as (
    select b.id from bookings b where b.id in (select booking_id from found) order by b.id for no key update
  )
  select array_agg(found.intent_id), array_agg(found.id) into v_intents, v_payments
    from found join locked on locked.id = found.booking_id;

  perform 1 from payments p where p.id = any (v_payments) order by p.id for no key update;

  -- The next statement sees everything that was committed before the locks were acquired.
  return query
  with compared as (
    select event.*,
           event."eventId" = any (v_new) as is_new,
           p.id as payment_id, p.ref as payment_ref, p.status as stored_status, b.id as booking_id, b.ref as booking_ref,
           event.status in ('succeeded', 'canceled') as is_final,
           p.status in ('succeeded', 'canceled') as was_final,
           event."amountMinor" = p.amount_minor and event.currency = p.currency
             and (event."bookingRef" is null or event."bookingRef" = b.ref)
             and (event.status <> 'succeeded' or event."receivedMinor" = p.amount_minor) as matches,
           event.status = 'succeeded' and event."eventAt" >= lower(b.during) as is_late,
           event."eventAt" >= coalesce(p.event_at, '-infinity') as is_newest,
           (event.type = 'payment_intent.payment_failed')::integer as declined, p.declines
      from rows from (jsonb_to_recordset(p_events) as (
             "eventId" text, type text, "intentId" text, status text, "amountMinor" integer,
             "receivedMinor" integer, currency text, "paymentRef" uuid, "bookingRef" uuid, "chargeId" text,
             "eventAt" timestamptz
           )) with ordinality as event
      left join unnest(v_intents, v_payments) as found (intent_id, payment_id) on found.intent_id = event."intentId"
      left join payments p on p.id = found.payment_id
      left join bookings b on b.id = p.booking_id
  ), decided as (
    select c.*,
           case
             when not c.is_new then 'repeat'
             when c.payment_id is null and c."bookingRef" is null then 'foreign'
             when c.payment_id is null and exists (select 1 from bookings b where b.ref = c."bookingRef")
               then 'unknown_intent'
             when c.payment_id is null then 'unknown_booking'
             when not c.matches then 'to_verify'
             -- Stripe must say when the charge was made.
             when c.is_late and c.stored_status <> 'succeeded' then 'to_verify'
             -- Two final states contradict each other: ask Stripe.
             when c.was_final and c.stored_status <> c.status then 'to_verify'
             when c.declined = 1 and c.declines + 1 = p_declines_max then 'to_verify'
             else 'recorded'
           end as outcome,
           case
             when c.status in ('succeeded', 'processing') then c.status
             when c.type = 'payment_intent.payment_failed' then 'failed'
             -- The PaymentIntent is over: what it was processing no longer counts, a decline is still worth showing.
             when c.status = 'canceled' then case when c.declines + c.declined > 0 then 'failed' else 'pending' end
           end as shows
      from compared c
  ), counted as (
    select d.*, d.matches and not (d.status = 'succeeded' and d.is_late) and (d.is_final or d.is_newest) as counts
      from decided d
  ), updated_payments as (
    update payments p
       set stripe_payment_intent_id = d."intentId",
           stripe_charge_id = coalesce(d."chargeId", p.stripe_charge_id),
           status = case when d.counts then d.status
                         when p.status = 'creating' then 'requires_payment_method' else p.status end,
           amount_received_minor = case when d.counts and d.status = 'succeeded' then d."receivedMinor"
                                        else p.amount_received_minor end,
           charged_at = case when d.counts and d.status = 'succeeded' then d."eventAt" else p.charged_at end,
           declines = p.declines + case when d.is_new and d.matches then d.declined else 0 end,
           event_at = greatest(p.event_at, d."eventAt"),
           updated_at = clock_timestamp()
      from counted d
     where p.id = d.payment_id and d.is_new and not d.was_final
  ), updated_bookings as (
    -- A booking has at most one open payment (payments_one_live), so at most one of these events changes what it shows.
    update bookings b set payment_status = d.shows, updated_at = clock_timestamp()
      from counted d
     where b.id = d.booking_id and d.is_new and d.counts and not d.was_final and d.shows is not null
       and b.payment_status in ('pending', 'processing', 'failed')
  ), left_messages as materialized (
    select "intentId", topic, payload, leave_message(topic, payload, p_lease_ms) as id
      from (select d."intentId",
                   case when d.outcome = 'unknown_booking' then 'orphan_payment' else 'payment' end as topic,
                   jsonb_strip_nulls(jsonb_build_object(
                     'bookingRef', coalesce(d.booking_ref, d."bookingRef"), 'paymentRef', d.payment_ref,
                     'intentId', d."intentId", 'verify', d.outcome <> 'recorded'
                   )) as payload
              from decided d
             where d.outcome not in ('repeat', 'foreign') and not (d.outcome = 'recorded' and d.status <> 'succeeded')
           ) messages
  ), raised_flags as materialized (
    -- In a fixed order, so that two calls that raise the same flags cannot deadlock.
    select count(raise_flag(kind, subject, detail, booking_id)) as raised
      from (select 'unknown_booking' as kind, d."intentId" as subject,
                   'Stripe reports a payment for a booking that is not here.' as detail, null::integer as booking_id
              from decided d where d.outcome = 'unknown_booking'
            union all
            select 'payment_mismatch', d."intentId",
                   'An event of this payment does not match its booking: ' || d.type, d.booking_id
              from decided d where d.is_new and not d.matches
             order by subject) wrong
  )
  select d.ordinality::integer - 1, d.outcome, m.id, m.topic, m.payload
    from raised_flags
   cross join decided d
    left join left_messages m on m."intentId" = d."intentId";
end $$;
