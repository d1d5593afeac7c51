create table payments (
  id                       integer generated always as identity primary key,
  ref                      uuid not null unique,
  booking_id               integer not null references bookings,
  attempt                  integer not null,
  stripe_payment_intent_id text constraint payments_intent_known unique,
  stripe_charge_id         text,
  amount_minor             integer not null,
  currency                 text not null,
  -- Stripe's own words, and `creating` for an intent that may or may not exist there yet.
  status                   text not null,
  amount_received_minor    integer not null default 0,
  -- When Stripe charged the card, by Stripe's clock; an event that reports a success gives the latest instant possible.
  charged_at               timestamptz,
  -- What the money was for, said once: `kept` confirms its booking, `returned` goes back.
  decision                 text,
  -- The sum of the refunds that have not failed, whoever made them (refunds.sql keeps it).
  refunding_minor          integer not null default 0,
  -- What banks hold by open disputes, or have taken by lost ones (disputes.sql keeps it).
  disputed_minor           integer not null default 0,
  -- The booking does not wait for this payment any more: its PaymentIntent is to be canceled.
  close_wanted             boolean not null default false,
  -- How often a card was declined.
  declines                 integer not null default 0,
  -- When Stripe made the newest of the events that are not final: an older one that arrives later changes nothing.
  event_at                 timestamptz,
  created_at               timestamptz not null default now(),
  updated_at               timestamptz not null default now(),
  constraint payments_attempt_once unique (booking_id, attempt),
  constraint payments_of_booking unique (id, booking_id),
  constraint payments_amount_positive check (amount_minor > 0),
  constraint payments_decision_known check (decision in ('kept', 'returned')),
  constraint payments_not_over_refunded check (refunding_minor <= amount_received_minor),
  constraint payments_status_known check (status in (
    'creating', 'requires_payment_method', 'requires_confirmation', 'requires_action', 'requires_capture',
    'processing', 'succeeded', 'canceled'
  ))
);

create unique index payments_one_live on payments (booking_id) where status not in ('succeeded', 'canceled');
create index payments_of_charge on payments (stripe_charge_id);

-- Still payable: its PaymentIntent, made or about to be, could bring money yet.
create function is_payable(p_payment payments) returns boolean language sql immutable parallel safe
as $$ select p_payment.status not in ('succeeded', 'canceled') $$;

alter table bookings add constraint bookings_paid_by
  foreign key (confirmed_payment_id, id) references payments (id, booking_id);

-- Payments that are neither paid nor closed: few, and the front page asks which of them are stuck.
create index payments_unsettled on payments (updated_at) where status in ('creating', 'processing');

-- The reconciler looks every minute for money that nothing was decided about, for money that was to go back and of which
-- no refund is known, and for PaymentIntents of bookings that wait for no payment: these indexes hold what is wrong at the
-- moment, whatever was ever paid.
create index payments_undecided on payments (updated_at) where status = 'succeeded' and decision is null;
create index payments_not_returned on payments (updated_at)
  where decision = 'returned' and refunding_minor + disputed_minor < amount_received_minor;
create index payments_to_close on payments (booking_id) where close_wanted and status not in ('succeeded', 'canceled');

create function refuse_second_decision() returns trigger language plpgsql as $$
begin
  raise exception 'payment % is decided already: %', old.id, old.decision
    using errcode = 'check_violation', constraint = 'payments_decided_once';
end $$;

create trigger payments_decided_once before update of decision on payments
  for each row when (old.decision is not null and old.decision is distinct from new.decision)
  execute function refuse_second_decision();

-- The mark that `payments_to_close` reads is set where the facts are written, whoever writes them.
create function want_payments_closed() returns trigger language plpgsql as $$
begin
  update payments p set close_wanted = true where p.booking_id = new.id and is_payable(p);
  return null;
end $$;

create trigger bookings_close_payments after update of status on bookings
  for each row when (old.status = 'pending' and new.status <> 'pending') execute function want_payments_closed();

create function want_late_payment_closed() returns trigger language plpgsql as $$
begin
  new.close_wanted := exists (select 1 from bookings b where b.id = new.booking_id and b.status <> 'pending');
  return new;
end $$;

create trigger payments_made_late before insert on payments
  for each row when (new.status not in ('succeeded', 'canceled')) execute function want_late_payment_closed();

-- Gives a booking its one live payment: the row that is there, or a new one in `creating`. The row comes before the
-- PaymentIntent, so that a crash between the two leaves something to find it by (the ref makes its idempotency key).
-- A stay that has begun cannot be paid for, whatever the hold says.
create function open_payment(p_booking_id integer, p_ref uuid, p_declines_max integer) returns table (
  outcome text, payment_id integer, ref uuid, attempt integer, status text, intent_id text,
  amount_minor integer, currency text, booking_ref uuid, created_at timestamptz
) language plpgsql as $$
declare
  v_booking bookings%rowtype;
begin
  select * into v_booking from bookings b where b.id = p_booking_id for no key update;
  if v_booking.status in ('confirmed', 'completed') or exists (
    select 1 from payments p where p.booking_id = p_booking_id and p.status = 'succeeded'
      and p.decision is distinct from 'returned'
  ) then
    outcome := 'already_paid'; return next; return;
  end if;
  if v_booking.status <> 'pending' or v_booking.hold_expires_at <= clock_timestamp()
    or lower(v_booking.during) <= clock_timestamp()
  then
    outcome := 'hold_expired'; return next; return;
  end if;
  if (select coalesce(sum(p.declines), 0) from payments p where p.booking_id = p_booking_id) >= p_declines_max then
    outcome := 'too_many_attempts'; return next; return;
  end if;

  outcome := 'live';
  booking_ref := v_booking.ref;
  select p.id, p.ref, p.attempt, p.status, p.stripe_payment_intent_id, p.amount_minor, p.currency, p.created_at
    into payment_id, ref, attempt, status, intent_id, amount_minor, currency, created_at
    from payments p
   where p.booking_id = p_booking_id and is_payable(p);
  if not found then
    outcome := 'new';
    insert into payments as p (ref, booking_id, attempt, amount_minor, currency, status)
    values (p_ref, p_booking_id,
            (select coalesce(max(q.attempt), 0) + 1 from payments q where q.booking_id = p_booking_id),
            v_booking.amount_minor, v_booking.currency, 'creating')
    returning p.id, p.ref, p.attempt, p.status, p.stripe_payment_intent_id, p.amount_minor, p.currency, p.created_at
         into payment_id, ref, attempt, status, intent_id, amount_minor, currency, created_at;
  end if;
  return next;
end $$;
