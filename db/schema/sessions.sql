create table sessions (
  id         uuid primary key,
  user_id    integer not null references users,
  kind       text not null default 'api',
  -- A panel session is found by the hash of its cookie; it has no refresh tokens and opens nothing else.
  token_hash bytea constraint sessions_token_once unique,
  created_at timestamptz not null default now(),
  seen_at    timestamptz not null default now(),
  expires_at timestamptz not null,
  revoked_at timestamptz,
  revoked_by text,
  constraint sessions_kind_known check (kind in ('api', 'panel')),
  constraint sessions_panel_token check ((kind = 'panel') = (token_hash is not null))
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

-- What has outlived its use is found by its age.
create index sessions_by_expiry on sessions (expires_at);
create index sessions_of_panel_by_expiry on sessions (expires_at) where kind = 'panel' and revoked_at is null;
create index refresh_tokens_by_expiry on refresh_tokens (expires_at);
