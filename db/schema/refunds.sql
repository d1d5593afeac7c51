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
