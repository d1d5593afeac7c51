-- What a person must look at: a payment that does not match, a refund that failed, a dispute …
create table flags (
  id          integer generated always as identity primary key,
  kind        text not null,
  subject     text not null,
  detail      text not null,
  booking_id  integer references bookings,
  created_at  timestamptz not null default now(),
  resolved_at timestamptz,
  constraint flags_once unique (kind, subject)
);

create index flags_open on flags (created_at) where resolved_at is null;

-- What staff did, beside the moves of bookings (booking_events). Append-only (see the grants and the trigger).
create table staff_events (
  id           bigint generated always as identity primary key,
  at           timestamptz not null default clock_timestamp(),
  actor_id     integer not null references users,
  action       text not null,
  subject_kind text not null,
  subject_id   integer not null,
  detail       text not null default '',
  constraint staff_events_subject_known check (subject_kind in ('user', 'room', 'booking', 'flag'))
);

create index staff_events_of_subject on staff_events (subject_kind, subject_id, id);

create trigger staff_events_append_only before update or delete on staff_events
  for each statement execute function refuse_change();
