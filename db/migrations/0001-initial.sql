-- The schema. Every rule that Postgres can hold is held here; the services only translate its refusals.
-- Money is integer minor units beside its currency, instants are timestamptz, times of day belong to the room.

create extension if not exists btree_gist;

create table users (
  id            integer generated always as identity primary key,
  -- Stored in canonical form only (domain/email.ts), so that the unique constraint decides who was first.
  email         text not null constraint users_email_taken unique,
  password_hash text not null,
  is_staff      boolean not null default false,
  is_superuser  boolean not null default false,
  is_active     boolean not null default true,
  created_at    timestamptz not null default now(),
  constraint users_email_canonical check (email = lower(email) and email = btrim(email) and length(email) <= 254)
);

create table rooms (
  id                    integer generated always as identity primary key,
  name                  text not null constraint rooms_name_taken unique,
  description           text not null default '',
  price_minor           integer not null,
  currency              text not null,
  capacity              integer not null,
  amenities             text[] not null default '{}',
  is_available          boolean not null default true,
  slot_duration_minutes integer not null default 30,
  opening_time          time not null,
  closing_time          time not null,
  time_zone             text not null,
  -- Grows with every edit: a booking is priced from a cached room and refused if the room has changed since.
  version               integer not null default 1,
  created_at            timestamptz not null default now(),
  updated_at            timestamptz not null default now(),
  constraint rooms_price_positive check (price_minor > 0),
  constraint rooms_capacity_positive check (capacity > 0),
  constraint rooms_currency_code check (currency ~ '^[a-z]{3}$'),
  constraint rooms_hours check (opening_time < closing_time),
  constraint rooms_grid check (
    slot_duration_minutes between 5 and 1440
    and extract(epoch from closing_time - opening_time)::integer % (slot_duration_minutes * 60) = 0
  )
);

create function bump_room_version() returns trigger language plpgsql as $$
begin
  new.version := old.version + 1;
  new.updated_at := now();
  return new;
end $$;

create trigger rooms_bump_version before update on rooms for each row execute function bump_room_version();

create table bookings (
  id                   integer generated always as identity primary key,
  -- The only name that leaves for Temporal and Stripe: they remember ids that a restored database gives out again.
  ref                  uuid not null unique,
  user_id              integer not null references users,
  room_id              integer not null references rooms,
  during               tstzrange not null,
  booking_date         date not null,
  start_time           time not null,
  end_time             time not null,
  number_of_slots      integer not null,
  guest_count          integer not null,
  special_requests     text,
  amount_minor         integer not null,
  currency             text not null,
  status               text not null default 'pending',
  payment_status       text not null default 'pending',
  hold_expires_at      timestamptz not null,
  -- Stripe said `processing` at the deadline: nobody settles the hold before this instant.
  settle_after         timestamptz,
  -- Whoever settles the hold holds this lease while it talks to Stripe.
  settle_lease_until   timestamptz,
  workflow_id          text not null,
  confirmed_payment_id integer,
  created_at           timestamptz not null default now(),
  updated_at           timestamptz not null default now(),
  constraint bookings_status_known check (status in ('pending', 'confirmed', 'expired', 'cancelled', 'completed')),
  constraint bookings_payment_status_known
    check (payment_status in ('pending', 'processing', 'succeeded', 'failed', 'refunded')),
  constraint bookings_during_half_open check (
    not isempty(during) and lower_inc(during) and not upper_inc(during)
    and isfinite(lower(during)) and isfinite(upper(during))
  ),
  constraint bookings_times_ordered check (start_time < end_time),
  constraint bookings_amounts_positive check (amount_minor > 0 and number_of_slots > 0 and guest_count > 0),
  constraint bookings_currency_code check (currency ~ '^[a-z]{3}$'),
  constraint bookings_special_requests_short check (length(special_requests) <= 2000),
  constraint bookings_paid_for check (status not in ('confirmed', 'completed') or confirmed_payment_id is not null),
  -- THE rule: no two bookings that hold a room overlap.
  constraint bookings_slot_taken exclude using gist (room_id with =, during with &&)
    where (status in ('pending', 'confirmed'))
);

-- One legal move each way; domain/booking.ts holds the same table and a test compares the two.
create function refuse_illegal_move() returns trigger language plpgsql as $$
begin
  if (old.status, new.status) not in (
    ('pending', 'confirmed'), ('pending', 'expired'), ('pending', 'cancelled'),
    ('expired', 'confirmed'), ('confirmed', 'cancelled'), ('confirmed', 'completed')
  ) then
    raise exception 'a booking cannot move from % to %', old.status, new.status
      using errcode = 'check_violation', constraint = 'bookings_legal_move';
  end if;
  return new;
end $$;

create trigger bookings_legal_move before update of status on bookings
  for each row when (old.status is distinct from new.status) execute function refuse_illegal_move();

create index bookings_of_user on bookings (user_id, id);
create index bookings_of_room on bookings (room_id, id);
create index bookings_by_status on bookings (status, id);
create index bookings_by_date on bookings (booking_date, id);
create index bookings_holds_due on bookings (hold_expires_at) where status = 'pending';
create index bookings_open_holds on bookings (user_id, hold_expires_at) where status = 'pending';
create index bookings_stays_due on bookings (upper(during)) where status = 'confirmed';

create table payments (
  id                       integer generated always as identity primary key,
  ref                      uuid not null unique,
  booking_id               integer not null references bookings,
  attempt                  integer not null,
  stripe_payment_intent_id text constraint payments_intent_known unique,
  amount_minor             integer not null,
  currency                 text not null,
  -- Stripe's own words, and `creating` for an intent that may or may not exist there yet.
  status                   text not null,
  amount_received_minor    integer not null default 0,
  created_at               timestamptz not null default now(),
  updated_at               timestamptz not null default now(),
  constraint payments_attempt_once unique (booking_id, attempt),
  constraint payments_of_booking unique (id, booking_id),
  constraint payments_amount_positive check (amount_minor > 0),
  constraint payments_status_known check (status in (
    'creating', 'requires_payment_method', 'requires_confirmation', 'requires_action', 'requires_capture',
    'processing', 'succeeded', 'canceled'
  ))
);

create unique index payments_one_live on payments (booking_id) where status not in ('succeeded', 'canceled');

alter table bookings add constraint bookings_paid_by
  foreign key (confirmed_payment_id, id) references payments (id, booking_id);

create table refunds (
  id               integer generated always as identity primary key,
  payment_id       integer not null constraint refunds_once unique references payments,
  purpose          text not null,
  amount_minor     integer not null,
  currency         text not null,
  status           text not null default 'pending',
  stripe_refund_id text unique,
  last_error       text,
  created_at       timestamptz not null default now(),
  updated_at       timestamptz not null default now(),
  constraint refunds_amount_positive check (amount_minor > 0),
  constraint refunds_purpose_known check (purpose in ('late', 'cancelled', 'duplicate', 'mismatch', 'staff')),
  constraint refunds_status_known check (status in ('pending', 'submitted', 'succeeded', 'failed'))
);

create index refunds_open on refunds (created_at) where status in ('pending', 'submitted', 'failed');

-- Who moved a booking, when, from where to where, and why. Append-only (see the grants and the trigger).
create table booking_events (
  id          bigint generated always as identity primary key,
  booking_id  integer not null references bookings,
  at          timestamptz not null default clock_timestamp(),
  actor       text not null,
  from_status text,
  to_status   text not null,
  cause       text not null
);

create index booking_events_of_booking on booking_events (booking_id, id);

create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end $$;

create trigger booking_events_append_only before update or delete on booking_events
  for each statement execute function refuse_change();

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

-- The memory of what Stripe has told us: a repeat has no effect, ever.
create table stripe_events (
  id          text primary key,
  type        text not null,
  object_id   text not null,
  received_at timestamptz not null default now()
);

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
  constraint outbox_topic_known check (topic in ('start_booking', 'payment', 'orphan_payment', 'refund'))
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

create index outbox_due on outbox (priority, available_at) where dead_at is null;

create table sessions (
  id         uuid primary key,
  user_id    integer not null references users,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  revoked_at timestamptz,
  revoked_by text
);

create index sessions_of_user on sessions (user_id) where revoked_at is null;

create table refresh_tokens (
  token_hash bytea primary key,
  session_id uuid not null references sessions on delete cascade,
  issued_at  timestamptz not null default now(),
  expires_at timestamptz not null,
  rotated_at timestamptz
);

create index refresh_tokens_of_session on refresh_tokens (session_id);

create table idempotency_keys (
  user_id     integer not null references users,
  operation   text not null,
  key         text not null,
  fingerprint bytea not null,
  lease_id    uuid not null unique,
  lease_until timestamptz not null,
  -- What the request made; null while it runs. The answer is rebuilt from it.
  made_id     integer,
  created_at  timestamptz not null default now(),
  primary key (user_id, operation, key)
);

create index idempotency_keys_by_age on idempotency_keys (created_at);

-- rate-limiter-flexible's own layout.
create table rate_limits (
  key    varchar(255) primary key,
  points integer not null default 0,
  expire bigint
);

create index rate_limits_by_expiry on rate_limits (expire);
