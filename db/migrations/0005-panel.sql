-- The staff panel: sessions of its own kind, and the trail of what staff did.

-- A panel session is found by the hash of its cookie; it has no refresh tokens and opens nothing else.
alter table sessions
  add column kind text not null default 'api' constraint sessions_kind_known check (kind in ('api', 'panel')),
  add column token_hash bytea constraint sessions_token_once unique,
  add column seen_at timestamptz not null default now(),
  add constraint sessions_panel_token check ((kind = 'panel') = (token_hash is not null));

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

-- Staff looks people up by the beginning of their e-mail.
create index users_email_prefix on users (email text_pattern_ops);

-- Payments that are neither paid nor closed: few, and the front page asks which of them are stuck.
create index payments_unsettled on payments (updated_at) where status in ('creating', 'processing');

-- Bookings whose payment is neither open nor simply paid are few, and staff looks for them.
create index bookings_by_odd_payment on bookings (payment_status, id)
  where payment_status in ('processing', 'failed', 'refunded');
