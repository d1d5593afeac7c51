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

-- Refunds that Stripe was not asked for yet: the reconciler looks for those that wait too long.
create index refunds_pending on refunds (updated_at) where status = 'pending';

create function note_returned_payment() returns trigger language plpgsql as $$
begin
  update payments p set decision = 'returned' where p.id = new.payment_id and p.decision is null;
  return null;
end $$;

create trigger refunds_return_payment after insert on refunds for each row execute function note_returned_payment();
