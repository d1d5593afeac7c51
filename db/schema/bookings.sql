create table bookings (
  id                   integer generated always as identity primary key,
  -- The only name that leaves for Temporal and Stripe: they remember ids that a restored database gives out again.
  ref                  uuid not null unique,
  user_id              integer not null references users,
  room_id              integer not null references rooms,
  -- When the stay is: a date and times of day on the room's wall clock. This is the truth; see `claims`.
  booking_date         date not null,
  start_time           time not null,
  end_time             time not null,
  -- The zone whose clock that is, and the instants that follow from it. Deadlines and timers go by the instants; they are
  -- computed anew when the room's zone or the rules of its clock change.
  time_zone            text not null,
  during               tstzrange not null,
  -- The latest start that the booking has had: a room's new zone must not make its cancellation dearer.
  latest_start         timestamptz,
  -- Grows with every change of the stay's instants.
  sequence             integer not null default 0,
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
  constraint bookings_paid_for check (status not in ('confirmed', 'completed') or confirmed_payment_id is not null)
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

-- The table of legal moves; domain/booking.ts holds the same, and a test compares the two.
create function is_legal_move(p_from text, p_to text) returns boolean language sql immutable as $$
  select (p_from, p_to) in (
    ('pending', 'confirmed'), ('pending', 'expired'), ('pending', 'cancelled'),
    ('expired', 'confirmed'), ('confirmed', 'cancelled'), ('confirmed', 'completed')
  )
$$;

create function refuse_illegal_move() returns trigger language plpgsql as $$
begin
  if not is_legal_move(old.status, new.status) then
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
-- What one user has held in a room on a day and not paid for: `hold_slot` limits how often.
create index bookings_not_paid on bookings (user_id, room_id, booking_date) where status in ('expired', 'cancelled');

-- The history of each booking: who moved it, when, between which states, and why. Where both states are the same, the
-- stay has got other instants. Append-only (see the grants).
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

-- A booking with the names that people know it by, as it is shown. The names by subselects: for one booking Postgres
-- would otherwise hash small tables, which takes longer than taking the slot. A function of text under the view, because
-- a view that named columns of tables would forbid a change of their types; the planner puts its text into the query.
create function shown_bookings() returns table (
  id integer, ref uuid, user_id integer, user_email text, room_id integer, room_name text, booking_date date,
  start_time time, end_time time, starts_at timestamptz, ends_at timestamptz, time_zone text, number_of_slots integer,
  guest_count integer, special_requests text, amount_minor integer, currency text, status text, payment_status text,
  hold_expires_at timestamptz, hold_seconds_left float8, workflow_id text, confirmed_payment_id integer,
  created_at timestamptz
) language sql stable as $$
  select b.id, b.ref, b.user_id, (select u.email from users u where u.id = b.user_id), b.room_id,
         (select r.name from rooms r where r.id = b.room_id), b.booking_date, b.start_time, b.end_time,
         lower(b.during), upper(b.during), b.time_zone, b.number_of_slots, b.guest_count, b.special_requests,
         b.amount_minor, b.currency, b.status, b.payment_status, b.hold_expires_at,
         extract(epoch from b.hold_expires_at - clock_timestamp())::float8, b.workflow_id, b.confirmed_payment_id,
         b.created_at
    from bookings b
$$;

create view booking_rows as select * from shown_bookings();
