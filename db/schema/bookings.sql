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
  -- For how long Stripe has been asked about the overdue hold without a final answer, summed over all who asked.
  stripe_silent_ms     integer not null default 0,
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
)
-- Room on each page for heap-only updates: recording a payment event touches no index of its booking.
with (fillfactor = 80);

-- When a hold is to be settled: at its deadline, or later while Stripe says `processing`.
create function settle_at(p_booking bookings) returns timestamptz language sql immutable parallel safe
as $$ select greatest(p_booking.hold_expires_at, p_booking.settle_after) $$;

-- Overdue: past its deadline, and not settled yet. The planner inlines the function, so that a condition on it reads
-- `bookings_holds_due`, provided that the instant is a parameter, a variable, or `(select clock_timestamp())`: Postgres
-- compares an index with a value, but never with a function that may change from row to row.
create function is_overdue(p_booking bookings, p_at timestamptz) returns boolean language sql immutable parallel safe
as $$ select p_booking.status = 'pending' and settle_at(p_booking) <= p_at $$;

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
create index bookings_holds_due on bookings (greatest(hold_expires_at, settle_after)) where status = 'pending';
create index bookings_open_holds on bookings (user_id, hold_expires_at) where status = 'pending';
-- The reconciler's sweep goes through what is open by id, past whatever has ended before.
create index bookings_open on bookings (id) where status in ('pending', 'confirmed');
create index bookings_stays_due on bookings (upper(during)) where status = 'confirmed';

-- The history of each booking: who moved it, when, between which states, and why. Append-only (see the grants).
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

create trigger booking_events_append_only before update or delete on booking_events
  for each statement execute function refuse_change();
