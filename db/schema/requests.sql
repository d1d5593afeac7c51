create table idempotency_keys (
  user_id     integer not null references users,
  operation   text not null,
  key         text not null,
  fingerprint bytea not null,
  lease_id    uuid not null unique,
  lease_until timestamptz not null,
  -- What the request made; null while it runs. The answer is rebuilt from it.
  result_id     integer,
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
