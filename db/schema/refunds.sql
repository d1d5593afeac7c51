-- Money that goes back, whoever sends it: refunds that this service decided on, and those that somebody made at Stripe.
create table refunds (
  id               integer generated always as identity primary key,
  -- Names the refund to Temporal and Stripe.
  ref              uuid not null unique default gen_random_uuid(),
  payment_id       integer not null,
  booking_id       integer not null,
  -- Why: one refund for each reason. `stripe:re_1` was made at Stripe; `staff:…` is one request of staff.
  reason           text not null,
  amount_minor     integer not null,
  currency         text not null,
  status           text not null default 'pending',
  -- Part of the idempotency key: it rises after Stripe has refused for certain, since Stripe repeats a refusal for a day.
  attempt          integer not null default 1,
  stripe_refund_id text unique,
  -- The error code and the words of Stripe's last refusal.
  refusal_code     text,
  last_error       text,
  -- The refund that staff made after this one had failed.
  retried_by       integer references refunds,
  created_at       timestamptz not null default now(),
  updated_at       timestamptz not null default now(),
  constraint refunds_of_payment foreign key (payment_id, booking_id) references payments (id, booking_id),
  constraint refunds_once unique (payment_id, booking_id, reason),
  constraint refunds_amount_positive check (amount_minor > 0),
  constraint refunds_reason_known
    check (reason in ('late', 'cancelled', 'duplicate', 'mismatch') or reason ~ '^(staff|stripe):.'),
  -- pending: to be sent · parked: waits for a dispute to close · refused: Stripe refuses for good, staff must act
  -- submitted, succeeded, failed: Stripe's own words · dropped: the money has gone back another way
  constraint refunds_status_known
    check (status in ('pending', 'parked', 'refused', 'submitted', 'succeeded', 'failed', 'dropped'))
);

create index refunds_of_booking on refunds (booking_id, id);
create index refunds_open on refunds (created_at)
  where status in ('pending', 'parked', 'refused', 'submitted', 'failed');
-- Refunds that Stripe was not asked for yet: the reconciler looks for those that wait too long.
create index refunds_pending on refunds (updated_at) where status = 'pending';

-- Locks a payment in the order that all take: its booking first.
create function lock_payment(p_payment_id integer) returns void language plpgsql as $$
begin
  perform 1 from bookings b where b.id = (select p.booking_id from payments p where p.id = p_payment_id)
    for no key update;
  perform 1 from payments p where p.id = p_payment_id for no key update;
end $$;

-- Shows the booking as refunded when all the money that counts for it has come back, by refunds or by lost disputes, and
-- as paid when some of it has not. What counts is the payment that confirmed the booking, else all that came.
create function show_money(p_booking_id integer) returns void language plpgsql as $$
declare
  v_shows text;
begin
  select case when bool_and(p.amount_received_minor <= back.refunded + back.lost) then 'refunded' else 'succeeded' end
    into v_shows
    from bookings b
    join payments p on p.booking_id = b.id and p.status = 'succeeded' and p.id = coalesce(b.confirmed_payment_id, p.id)
   cross join lateral (
     select (select coalesce(sum(f.amount_minor), 0) from refunds f
              where f.payment_id = p.id and f.status = 'succeeded') as refunded,
            (select coalesce(sum(d.amount_minor), 0) from disputes d
              where d.payment_id = p.id and d.standing = 'lost') as lost
   ) back
   where b.id = p_booking_id;
  if v_shows is null then
    return;
  end if;
  update bookings set payment_status = v_shows, updated_at = clock_timestamp()
   where id = p_booking_id and payment_status <> v_shows;
  if v_shows = 'refunded' then
    update flags set resolved_at = clock_timestamp(), standing = false
     where booking_id = p_booking_id and kind in ('refund_failed', 'refund_stuck', 'refund_slow')
       and resolved_at is null;
  end if;
end $$;

-- Keeps the sum of a payment's refunds, which `payments_not_over_refunded` bounds. The payment is locked first: the sum
-- is read by a statement that begins after the lock.
create function sum_refunds() returns trigger language plpgsql as $$
declare
  v_payment_id integer := coalesce(new.payment_id, old.payment_id);
begin
  perform 1 from payments where id = v_payment_id for no key update;
  update payments p
     set refunding_minor = (select coalesce(sum(f.amount_minor), 0) from refunds f
                             where f.payment_id = p.id and f.status not in ('failed', 'dropped'))
   where p.id = v_payment_id;
  perform show_money(coalesce(new.booking_id, old.booking_id));
  return null;
end $$;

create trigger refunds_summed after insert or delete or update of status, amount_minor on refunds
  for each row execute function sum_refunds();

-- Decides that what is left of a payment goes back, and leaves the message that starts the refund's workflow. While a
-- bank holds the money by a dispute Stripe refuses refunds: the refund waits for its end. The caller has locked booking
-- and payment.
-- Returns the refund's id; null when nothing is left to give back, or when there is one for this reason already.
create function refund_payment(p_payment_id integer, p_reason text, p_amount_max integer default null) returns integer
language plpgsql as $$
declare
  v_payment payments%rowtype;
  v_amount integer;
  v_waits boolean;
  v_refund_id integer;
begin
  select * into v_payment from payments where id = p_payment_id for no key update;
  v_amount := least(p_amount_max, v_payment.amount_received_minor - v_payment.refunding_minor - lost_minor(p_payment_id));
  if v_payment.status <> 'succeeded' or v_amount <= 0 then
    return null;
  end if;
  v_waits := exists (select 1 from disputes d where d.payment_id = p_payment_id and d.standing = 'open');
  insert into refunds (payment_id, booking_id, reason, amount_minor, currency, status)
  values (p_payment_id, v_payment.booking_id, p_reason, v_amount, v_payment.currency,
          case when v_waits then 'parked' else 'pending' end)
  on conflict on constraint refunds_once do nothing
  returning id into v_refund_id;
  if v_refund_id is not null and not v_waits then
    perform enqueue_refund(v_refund_id);
  end if;
  return v_refund_id;
end $$;

-- Leaves the message that starts the workflow of a refund.
create function enqueue_refund(p_refund_id integer) returns void language plpgsql as $$
begin
  perform leave_message('refund', jsonb_build_object('refundRef', f.ref, 'bookingRef', b.ref))
     from refunds f join bookings b on b.id = f.booking_id where f.id = p_refund_id;
end $$;

-- Makes room for `p_needed` among what a payment brought: refunds that Stripe does not have yet shrink, the newest first,
-- since that money has gone back another way. Who calls this has locked booking and payment.
create function shrink_unsent_refunds(p_payment_id integer, p_needed integer, p_except integer default null)
returns void language plpgsql as $$
declare
  v_excess integer;
  v_refund refunds%rowtype;
begin
  select p_needed + lost_minor(p_payment_id) - p.amount_received_minor
         + (select coalesce(sum(f.amount_minor), 0) from refunds f
             where f.payment_id = p.id and f.status not in ('failed', 'dropped') and f.id is distinct from p_except)
    into v_excess from payments p where p.id = p_payment_id;
  for v_refund in
    select * from refunds f
     where f.payment_id = p_payment_id and f.id is distinct from p_except
       and f.stripe_refund_id is null and f.status in ('pending', 'parked', 'refused')
     order by f.id desc for no key update
  loop
    exit when v_excess <= 0;
    if v_refund.amount_minor <= v_excess then
      update refunds set status = 'dropped', updated_at = clock_timestamp() where id = v_refund.id;
    else
      update refunds set amount_minor = amount_minor - v_excess, updated_at = clock_timestamp() where id = v_refund.id;
    end if;
    v_excess := v_excess - least(v_excess, v_refund.amount_minor);
  end loop;
end $$;
