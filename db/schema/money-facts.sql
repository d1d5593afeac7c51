-- What Stripe says of refunds and disputes. The booking's money is the sum of Stripe's own objects, whoever made them and
-- however they end, so each is a row here too.

-- Facts that cannot count yet: their payment is not known or not paid as far as we know, or they do not fit beside what
-- has not been reported as failed. They count as soon as it is.
create table parked_facts (
  id                       bigint generated always as identity primary key,
  object_id                text not null,
  stripe_payment_intent_id text,
  stripe_charge_id         text,
  fact                     jsonb not null,
  created_at               timestamptz not null default now()
);

create index parked_facts_of_intent on parked_facts (stripe_payment_intent_id);
create index parked_facts_of_charge on parked_facts (stripe_charge_id);
create index parked_facts_of_object on parked_facts (object_id);
create index parked_facts_by_age on parked_facts (created_at);

-- A refund as Stripe has it: {id, refundRef?, status: submitted|succeeded|failed, amountMinor, currency, error?, shown}.
-- A status never goes back, and nothing follows `failed`; `failed` may follow `succeeded`, since a bank can return the
-- money later. Returns false when the refund does not fit beside those that Stripe is known to have: one of them must
-- have failed, and that has not been reported yet.
create function apply_refund(p_payment_id integer, p_fact jsonb) returns boolean language plpgsql as $$
declare
  v_ranks constant text[] := '{dropped,refused,parked,pending,submitted,succeeded,failed}';
  v_payment payments%rowtype;
  v_booking_status text;
  v_refund refunds%rowtype;
  v_status text := p_fact ->> 'status';
  v_amount integer := (p_fact ->> 'amountMinor')::integer;
  v_is_new boolean;
begin
  select * into v_payment from payments where id = p_payment_id;
  select status into v_booking_status from bookings where id = v_payment.booking_id;
  select * into v_refund from refunds f where f.stripe_refund_id = p_fact ->> 'id';
  if not found then
    select * into v_refund from refunds f
     where f.ref = (p_fact ->> 'refundRef')::uuid and f.payment_id = p_payment_id and f.stripe_refund_id is null;
  end if;
  v_is_new := v_refund.id is null;
  if not v_is_new
    and array_position(v_ranks, v_status) <= array_position(v_ranks, v_refund.status) then
    return true;
  end if;

  if v_status <> 'failed' then
    if v_amount > v_payment.amount_received_minor - (
      select coalesce(sum(f.amount_minor), 0) from refunds f
       where f.payment_id = p_payment_id and f.stripe_refund_id is not null and f.status <> 'failed'
         and f.id is distinct from v_refund.id
    ) then
      return false;
    end if;
    perform shrink_unsent_refunds(p_payment_id, v_amount, v_refund.id);
  end if;

  if v_is_new then
    insert into refunds (payment_id, booking_id, reason, amount_minor, currency, status, stripe_refund_id, last_error)
    values (p_payment_id, v_payment.booking_id, 'stripe:' || (p_fact ->> 'id'), v_amount, p_fact ->> 'currency',
            v_status, p_fact ->> 'id', p_fact ->> 'error');
    -- Where the money was to go back anyway, somebody has only been faster.
    if v_status <> 'failed' and v_payment.decision is distinct from 'returned' and v_booking_status <> 'cancelled' then
      perform raise_flag('refunded_at_stripe', v_payment.stripe_payment_intent_id,
        format('%s was given back at Stripe, not through this service; the booking stands.', p_fact ->> 'shown'),
        v_payment.booking_id);
    end if;
  else
    update refunds
       set status = v_status, stripe_refund_id = p_fact ->> 'id', amount_minor = v_amount, refusal_code = null,
           last_error = p_fact ->> 'error', updated_at = clock_timestamp()
     where id = v_refund.id;
  end if;
  if v_status = 'failed' then
    perform raise_flag('refund_failed', p_fact ->> 'id',
      format('The bank did not take %s back; the money is on the account balance. Retry the refund on the booking''s page.',
             p_fact ->> 'shown'),
      v_payment.booking_id);
  end if;
  return true;
end $$;

-- A dispute as Stripe has it: {id, status, withdrawn, amountMinor, currency, asOf, shown}. When the last open one has
-- closed, refunds that waited for it are sent; what a lost one has taken does not go back a second time.
create function apply_dispute(p_payment_id integer, p_fact jsonb) returns void language plpgsql as $$
declare
  v_payment payments%rowtype;
  v_dispute disputes%rowtype;
  v_closed constant text[] := '{won,lost,warning_closed,prevented}';
  v_refund refunds%rowtype;
begin
  select * into v_payment from payments where id = p_payment_id;
  insert into disputes as d (id, payment_id, amount_minor, currency, status, withdrawn, as_of)
  values (p_fact ->> 'id', p_payment_id, (p_fact ->> 'amountMinor')::integer, p_fact ->> 'currency',
          p_fact ->> 'status', (p_fact ->> 'withdrawn')::boolean, (p_fact ->> 'asOf')::timestamptz)
  on conflict (id) do update
     set amount_minor = excluded.amount_minor, status = excluded.status, withdrawn = excluded.withdrawn,
         as_of = excluded.as_of, updated_at = clock_timestamp()
   -- Stripe's clock has whole seconds: within one a dispute closes, and is not opened again.
   where excluded.as_of > d.as_of
      or (excluded.as_of = d.as_of and (excluded.status = any (v_closed) or not d.status = any (v_closed)))
  returning * into v_dispute;
  if not found then
    return;
  end if;

  update payments p
     set disputed_minor = (select coalesce(sum(d.amount_minor), 0) from disputes d
                            where d.payment_id = p.id and d.standing <> 'none')
   where p.id = p_payment_id;
  perform shrink_unsent_refunds(p_payment_id, 0);
  if not exists (select 1 from disputes d where d.payment_id = p_payment_id and d.standing = 'open') then
    for v_refund in
      update refunds set status = 'pending', updated_at = clock_timestamp()
       where payment_id = p_payment_id and status = 'parked' returning *
    loop
      perform enqueue_refund(v_refund.id);
    end loop;
  end if;
  perform show_money(v_payment.booking_id);
  perform flag_dispute(v_dispute, v_payment, p_fact ->> 'shown');
end $$;

create function flag_dispute(p_dispute disputes, p_payment payments, p_shown text) returns void language plpgsql as $$
begin
  if p_dispute.status in ('won', 'warning_closed') or (p_dispute.status = 'prevented' and not p_dispute.withdrawn) then
    update flags set resolved_at = coalesce(resolved_at, clock_timestamp()),
           detail = format('The dispute of %s has ended in our favour (%s).', p_shown, p_dispute.status)
     where kind = 'dispute' and subject = p_dispute.id;
    return;
  end if;
  perform raise_flag('dispute', p_dispute.id,
    case p_dispute.standing
      when 'lost' then format('The dispute is lost (%s): the customer has %s back through the bank.', p_dispute.status, p_shown)
      when 'none' then format('The customer''s bank asks about the payment %s; answer at Stripe.', p_payment.stripe_payment_intent_id)
      else format('The customer disputes %s of the payment %s; answer at Stripe.', p_shown, p_payment.stripe_payment_intent_id)
    end,
    p_payment.booking_id);
end $$;

-- A charge as Stripe has it: {refundedMinor}. It says how much went back, not by which refunds: where that is more than we
-- know of, a workflow must ask.
create function apply_charge(p_payment_id integer, p_fact jsonb) returns void language plpgsql as $$
begin
  perform leave_message('payment', jsonb_build_object('bookingRef', b.ref, 'paymentRef', p.ref,
                                                      'intentId', p.stripe_payment_intent_id, 'verify', true))
     from payments p join bookings b on b.id = p.booking_id
   where p.id = p_payment_id
     and (p_fact ->> 'refundedMinor')::integer > (
       select coalesce(sum(f.amount_minor), 0) from refunds f
        where f.payment_id = p.id and f.status in ('pending', 'submitted', 'succeeded')
     );
end $$;

-- Applies one fact to a payment whose booking and row are locked. Returns false when it must wait.
create function apply_fact(p_payment_id integer, p_fact jsonb) returns boolean language plpgsql as $$
begin
  case p_fact ->> 'kind'
    when 'refund' then
      return apply_refund(p_payment_id, p_fact);
    when 'dispute' then
      perform apply_dispute(p_payment_id, p_fact);
    when 'charge' then
      perform apply_charge(p_payment_id, p_fact);
  end case;
  return true;
end $$;

-- Applies the facts that waited for this payment, again and again while one of them makes way for another.
create function apply_parked_facts(p_payment payments) returns void language plpgsql as $$
declare
  v_parked parked_facts%rowtype;
  v_progress boolean := true;
begin
  while v_progress loop
    v_progress := false;
    for v_parked in
      select * from parked_facts f
       where f.stripe_payment_intent_id = p_payment.stripe_payment_intent_id
          or (f.stripe_payment_intent_id is null and f.stripe_charge_id = p_payment.stripe_charge_id)
       order by f.id for update
    loop
      if apply_fact(p_payment.id, v_parked.fact) then
        delete from parked_facts where id = v_parked.id;
        v_progress := true;
      end if;
    end loop;
  end loop;
end $$;

-- The advisory locks between a fact whose payment is not known and the payment that becomes known: few, so that many rows
-- in one transaction do not fill Postgres' lock table. Payments share them, a fact has one alone.
create function fact_lock_space() returns integer language sql immutable as $$ select 7301 $$;

-- Records a fact about a refund, a dispute or a charge of a PaymentIntent, once for each event; a fact that Stripe was
-- asked for has no event. Whoever becomes the payment's row later finds what was parked: both sides take the same lock.
create function record_money_fact(p_event jsonb, p_fact jsonb) returns text language plpgsql as $$
declare
  v_intent_id text := p_fact ->> 'intentId';
  v_charge_id text := p_fact ->> 'chargeId';
  v_payment payments%rowtype;
begin
  if p_event is not null then
    insert into stripe_events (id, type, object_id) values (p_event ->> 'id', p_event ->> 'type', p_fact ->> 'id')
    on conflict do nothing;
    if not found then
      return 'repeat';
    end if;
  end if;
  v_payment := find_payment_of(v_intent_id, v_charge_id);
  if v_payment.id is null then
    perform pg_advisory_xact_lock(fact_lock_space(), hashtext(coalesce(v_intent_id, v_charge_id)) & 63);
    v_payment := find_payment_of(v_intent_id, v_charge_id);
  end if;
  if v_payment.id is not null then
    perform lock_payment(v_payment.id);
    select * into v_payment from payments where id = v_payment.id;
    if v_payment.status = 'succeeded' and apply_fact(v_payment.id, p_fact) then
      perform apply_parked_facts(v_payment);
      return 'recorded';
    end if;
  end if;
  insert into parked_facts (object_id, stripe_payment_intent_id, stripe_charge_id, fact)
  select p_fact ->> 'id', v_intent_id, v_charge_id, p_fact
   where not exists (select 1 from parked_facts f where f.object_id = p_fact ->> 'id' and f.fact = p_fact);
  return 'parked';
end $$;

create function find_payment_of(p_intent_id text, p_charge_id text) returns payments language plpgsql as $$
declare
  v_payment payments%rowtype;
begin
  select * into v_payment from payments where stripe_payment_intent_id = p_intent_id;
  if v_payment.id is null and p_intent_id is null then
    select * into v_payment from payments where stripe_charge_id = p_charge_id;
  end if;
  return v_payment;
end $$;

-- A payment becomes known by its PaymentIntent, or becomes paid: facts that came before it count now.
create function take_parked_facts() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' or old.stripe_payment_intent_id is distinct from new.stripe_payment_intent_id then
    perform pg_advisory_xact_lock_shared(fact_lock_space(), hashtext(new.stripe_payment_intent_id) & 63);
  end if;
  if new.status = 'succeeded' then
    perform apply_parked_facts(new);
  end if;
  return null;
end $$;

create trigger payments_become_known after insert on payments
  for each row when (new.stripe_payment_intent_id is not null) execute function take_parked_facts();
create trigger payments_become_paid after update on payments
  for each row when (
    new.stripe_payment_intent_id is not null
    and (old.stripe_payment_intent_id is distinct from new.stripe_payment_intent_id
         or (new.status = 'succeeded' and old.status <> 'succeeded'))
  )
  execute function take_parked_facts();

-- Lets a refund wait for the end of a dispute, if one is open. Under the booking's lock, as every word on disputes is.
create function park_refund(p_refund_id integer) returns boolean language plpgsql as $$
declare
  v_refund refunds%rowtype;
begin
  select * into v_refund from refunds where id = p_refund_id;
  perform lock_payment(v_refund.payment_id);
  if not exists (select 1 from disputes d where d.payment_id = v_refund.payment_id and d.standing = 'open') then
    return false;
  end if;
  update refunds set status = 'parked', updated_at = clock_timestamp() where id = p_refund_id and status = 'pending';
  return true;
end $$;

-- Gives a refund up that was still to be sent: staff is told, and may retry it.
create function refuse_refund(p_refund_id integer, p_detail text) returns void language plpgsql as $$
declare
  v_refund refunds%rowtype;
begin
  select * into v_refund from refunds where id = p_refund_id;
  perform lock_payment(v_refund.payment_id);
  update refunds set status = 'refused', updated_at = clock_timestamp() where id = p_refund_id and status = 'pending';
  if found then
    perform raise_flag('refund_stuck', p.stripe_payment_intent_id, p_detail, p.booking_id)
       from payments p where p.id = v_refund.payment_id;
  end if;
end $$;
