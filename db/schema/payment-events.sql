-- The memory of what Stripe has told us: a repeat has no effect, ever.
create table stripe_events (
  id          text primary key,
  type        text not null,
  object_id   text not null,
  received_at timestamptz not null default now()
);

create index stripe_events_by_age on stripe_events (received_at);

-- Payment events recorded as a set: some ten statements however many have gathered, instead of ten for each. Postgres
-- prepares the checks, the indexes' conditions and the triggers of a table once a statement, which cost more than the
-- rows. Each event: remember the event's id, record the fact, leave the message.
-- `succeeded` and `canceled` are final and recorded as they come. A decline or `processing` decides nothing and costs no
-- message: what it says is shown, unless a newer event was here first. Anything that does not match what we asked for or
-- contradicts what is on record, money that may have come after the stay began, and one decline too many are only hints:
-- the message makes an activity ask Stripe (payload.verify).
-- The events are of different PaymentIntents. Locks are taken in order, bookings before payments.
create function record_payment_events(p_events jsonb, p_lease_ms integer, p_declines_max integer) returns table (
  place integer, outcome text, outbox_id bigint, topic text, payload jsonb
) language plpgsql
-- A few rows by their keys, whatever the planner makes of tables that were small when it looked at them last; and planned
-- once a connection: for one event, planning anew costs twice what the rest does.
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
    select told."eventId", told.type, told."intentId"
      from jsonb_to_recordset(p_events) as told ("eventId" text, type text, "intentId" text)
     order by told."eventId"
    on conflict (id) do nothing
    returning id
  )
  select coalesce(array_agg(id), '{}') into v_new from remembered;

  with found as (
    select told."intentId" as intent_id, payment.id, payment.booking_id
      from jsonb_to_recordset(p_events) as told ("eventId" text, "intentId" text, "paymentRef" uuid)
     cross join lateral (
       select p.id, p.booking_id from payments p where p.stripe_payment_intent_id = told."intentId"
       union all
       -- The intent exists, but the reply that names it was lost on its way to us.
       select p.id, p.booking_id from payments p
        where p.ref = told."paymentRef" and p.stripe_payment_intent_id is null
       limit 1
     ) payment
     where told."eventId" = any (v_new)
  ), locked as (
    select b.id from bookings b where b.id in (select booking_id from found) order by b.id for no key update
  )
  select array_agg(found.intent_id), array_agg(found.id) into v_intents, v_payments
    from found join locked on locked.id = found.booking_id;

  perform 1 from payments p where p.id = any (v_payments) order by p.id for no key update;

  -- What follows sees what was committed before the locks were had.
  return query
  with compared as (
    select told.*,
           told."eventId" = any (v_new) as is_new,
           p.id as payment_id, p.ref as payment_ref, p.status as was, b.id as booking_id, b.ref as booking_ref,
           told.status in ('succeeded', 'canceled') as is_final,
           p.status in ('succeeded', 'canceled') as was_final,
           told."amountMinor" = p.amount_minor and told.currency = p.currency
             and (told."bookingRef" is null or told."bookingRef" = b.ref)
             and (told.status <> 'succeeded' or told."receivedMinor" = p.amount_minor) as matches,
           told.status = 'succeeded' and told."eventAt" >= lower(b.during) as is_late,
           told."eventAt" >= coalesce(p.event_at, '-infinity') as is_newest,
           (told.type = 'payment_intent.payment_failed')::integer as declined, p.declines
      from rows from (jsonb_to_recordset(p_events) as (
             "eventId" text, type text, "intentId" text, status text, "amountMinor" integer,
             "receivedMinor" integer, currency text, "paymentRef" uuid, "bookingRef" uuid, "chargeId" text,
             "eventAt" timestamptz
           )) with ordinality as told
      left join unnest(v_intents, v_payments) as found (intent_id, payment_id) on found.intent_id = told."intentId"
      left join payments p on p.id = found.payment_id
      left join bookings b on b.id = p.booking_id
  ), judged as (
    select c.*,
           case
             when not c.is_new then 'repeat'
             when c.payment_id is null and c."bookingRef" is null then 'foreign'
             when c.payment_id is null and exists (select 1 from bookings b where b.ref = c."bookingRef")
               then 'unknown_intent'
             when c.payment_id is null then 'unknown_booking'
             when not c.matches then 'to_verify'
             -- When the charge was made is for Stripe to say.
             when c.is_late and c.was <> 'succeeded' then 'to_verify'
             -- Two final answers that disagree: Stripe must be asked.
             when c.was_final and c.was <> c.status then 'to_verify'
             when c.declined = 1 and c.declines + 1 = p_declines_max then 'to_verify'
             else 'recorded'
           end as outcome,
           case
             when c.status in ('succeeded', 'processing') then c.status
             when c.type = 'payment_intent.payment_failed' then 'failed'
           end as shows
      from compared c
  ), believed as (
    select j.*, j.matches and not (j.status = 'succeeded' and j.is_late) and (j.is_final or j.is_newest) as counts
      from judged j
  ), updated_payments as (
    update payments p
       set stripe_payment_intent_id = j."intentId",
           stripe_charge_id = coalesce(j."chargeId", p.stripe_charge_id),
           status = case when j.counts then j.status
                         when p.status = 'creating' then 'requires_payment_method' else p.status end,
           amount_received_minor = case when j.counts and j.status = 'succeeded' then j."receivedMinor"
                                        else p.amount_received_minor end,
           charged_at = case when j.counts and j.status = 'succeeded' then j."eventAt" else p.charged_at end,
           declines = p.declines + case when j.is_new and j.matches then j.declined else 0 end,
           event_at = greatest(p.event_at, j."eventAt"),
           updated_at = clock_timestamp()
      from believed j
     where p.id = j.payment_id and j.is_new and not j.was_final
  ), updated_bookings as (
    -- A booking has one open payment at most (payments_one_live), so one of these events at most changes what it shows.
    update bookings b set payment_status = j.shows, updated_at = clock_timestamp()
      from believed j
     where b.id = j.booking_id and j.is_new and j.counts and not j.was_final and j.shows is not null
       and b.payment_status in ('pending', 'processing', 'failed')
  ), left_messages as materialized (
    select "intentId", topic, payload, leave_message(topic, payload, p_lease_ms) as id
      from (select j."intentId",
                   case when j.outcome = 'unknown_booking' then 'orphan_payment' else 'payment' end as topic,
                   jsonb_strip_nulls(jsonb_build_object(
                     'bookingRef', coalesce(j.booking_ref, j."bookingRef"), 'paymentRef', j.payment_ref,
                     'intentId', j."intentId", 'verify', j.outcome <> 'recorded'
                   )) as payload
              from judged j
             where j.outcome not in ('repeat', 'foreign') and not (j.outcome = 'recorded' and j.status <> 'succeeded')
           ) worth_telling
  ), raised_flags as materialized (
    -- In order, so that two calls that raise the same flags do not wait for each other.
    select count(raise_flag(kind, subject, detail, booking_id)) as raised
      from (select 'unknown_booking' as kind, j."intentId" as subject,
                   'Stripe reports a payment for a booking that is not here.' as detail, null::integer as booking_id
              from judged j where j.outcome = 'unknown_booking'
            union all
            select 'payment_mismatch', j."intentId",
                   'An event of this payment does not match its booking: ' || j.type, j.booking_id
              from judged j where j.is_new and not j.matches
             order by subject) wrong
  )
  select j.ordinality::integer - 1, j.outcome, m.id, m.topic, m.payload
    from raised_flags
   cross join judged j
    left join left_messages m on m."intentId" = j."intentId";
end $$;
