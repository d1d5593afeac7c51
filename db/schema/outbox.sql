-- Messages to Temporal, written beside the fact they tell of. A row is deleted when it is delivered.
-- It is born leased to the process that wrote it (available_at in the future), which delivers it from memory.
create table outbox (
  id           bigint generated always as identity primary key,
  topic        text not null,
  priority     smallint not null,
  payload      jsonb not null,
  available_at timestamptz not null default now(),
  attempts     integer not null default 0,
  last_error   text,
  dead_at      timestamptz,
  created_at   timestamptz not null default clock_timestamp(),
  constraint outbox_topic_known check (topic in ('start_booking', 'booking_changed', 'payment', 'orphan_payment', 'refund'))
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

create index outbox_due on outbox (priority, available_at) where dead_at is null;
create index outbox_dead on outbox (id) where dead_at is not null;

-- Leaves a message for Temporal, in the transaction that writes the fact it tells of. Payments go before
-- starts and changes of a stay's instants.
-- For `p_lease_ms` it is the caller's to carry; 0 leaves it to any relay.
create function leave_message(p_topic text, p_payload jsonb, p_lease_ms integer default 0) returns bigint
language plpgsql as $$
declare
  v_id bigint;
begin
  insert into outbox (topic, priority, payload, available_at)
  values (p_topic, case when p_topic in ('start_booking', 'booking_changed') then 2 else 1 end, p_payload,
          clock_timestamp() + p_lease_ms * interval '1 millisecond')
  returning id into v_id;
  return v_id;
end $$;
