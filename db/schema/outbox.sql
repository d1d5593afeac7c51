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
