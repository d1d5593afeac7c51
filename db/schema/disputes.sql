-- Disputes that customers opened at their banks, in the last state that Stripe reported.
create table disputes (
  id           text primary key,
  payment_id   integer not null references payments,
  amount_minor integer not null,
  currency     text not null,
  -- Stripe's status (https://docs.stripe.com/api/disputes/object#dispute_object-status).
  status       text not null,
  -- Whether the bank has taken the money and not given it back. Matters for `prevented` only, which can end either way.
  withdrawn    boolean not null,
  -- When Stripe reported this: an older state that arrives later changes nothing.
  as_of        timestamptz not null,
  created_at   timestamptz not null default now(),
  updated_at   timestamptz not null default now(),
  -- none: an inquiry, or won · open: the bank holds the money · lost: the customer has it. A status that Stripe adds in
  -- the future counts as open: no refund is sent until a person has looked.
  standing     text not null generated always as (
    case
      when status in ('warning_needs_response', 'warning_under_review', 'warning_closed', 'won') then 'none'
      when status = 'lost' or (status = 'prevented' and withdrawn) then 'lost'
      when status = 'prevented' then 'none'
      else 'open'
    end
  ) stored
);

create index disputes_of_payment on disputes (payment_id);

-- The money of a payment that the customer got back through lost disputes.
create function lost_minor(p_payment_id integer) returns integer language plpgsql stable as $$
begin
  return (select coalesce(sum(d.amount_minor), 0) from disputes d
           where d.payment_id = p_payment_id and d.standing = 'lost');
end $$;
