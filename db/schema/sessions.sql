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
  token_hash     bytea primary key,
  session_id     uuid not null references sessions on delete cascade,
  issued_at      timestamptz not null default now(),
  expires_at     timestamptz not null,
  rotated_at     timestamptz,
  -- The hash of the token that this one was exchanged for. A lost answer is given again.
  successor_hash bytea,
  constraint refresh_tokens_rotation check ((rotated_at is null) = (successor_hash is null))
);

create index refresh_tokens_of_session on refresh_tokens (session_id);

-- What has outlived its use is found by its age.
create index sessions_by_expiry on sessions (expires_at);
create index sessions_of_panel_by_expiry on sessions (expires_at) where kind = 'panel' and revoked_at is null;
create index refresh_tokens_by_expiry on refresh_tokens (expires_at);

-- Exchanges a refresh token for its successor. The outcome is `rotated`; `repeated` when it was exchanged at most
-- `p_grace` ago and its successor has not been used yet, so that the same successor is the answer again; `reused` when it
-- was exchanged before that, which ends the session; or `invalid`. `p_successor_hashes` are those of every successor that
-- the caller can derive from the token: a new rotation takes the first.
create function rotate_refresh_token(
  p_token_hash bytea, p_successor_hashes bytea[], p_token_life interval, p_grace interval,
  out outcome text, out session_id uuid, out user_id integer, out successor_hash bytea
) language plpgsql as $$
declare
  v_token refresh_tokens%rowtype;
  v_is_open boolean;
  v_is_successor_unused boolean;
begin
  -- The token is locked before anything is decided: of two requests at once the second sees what the first has done.
  select * into v_token from refresh_tokens t where t.token_hash = p_token_hash for no key update;
  if not found then
    outcome := 'invalid';
    return;
  end if;
  select s.id, s.user_id, s.revoked_at is null and s.expires_at > clock_timestamp() and u.is_active
    into session_id, user_id, v_is_open
    from sessions s join users u on u.id = s.user_id where s.id = v_token.session_id for no key update of s;

  if not v_is_open then
    outcome := 'invalid';
  elsif v_token.rotated_at is null and v_token.expires_at <= clock_timestamp() then
    outcome := 'invalid';
  elsif v_token.rotated_at is null then
    outcome := 'rotated';
    successor_hash := p_successor_hashes[1];
    update refresh_tokens t set rotated_at = clock_timestamp(), successor_hash = p_successor_hashes[1]
     where t.token_hash = p_token_hash;
    insert into refresh_tokens (token_hash, session_id, expires_at)
    values (p_successor_hashes[1], v_token.session_id, clock_timestamp() + p_token_life);
  else
    select t.rotated_at is null into v_is_successor_unused
      from refresh_tokens t where t.token_hash = v_token.successor_hash;
    if v_token.rotated_at <= clock_timestamp() - p_grace or not coalesce(v_is_successor_unused, false) then
      outcome := 'reused';
      update sessions s set revoked_at = clock_timestamp(), revoked_by = 'reuse' where s.id = v_token.session_id;
    elsif v_token.successor_hash = any (p_successor_hashes) then
      outcome := 'repeated';
      successor_hash := v_token.successor_hash;
    else
      -- SECRET_KEY was replaced meanwhile: nobody can derive that successor any more.
      outcome := 'invalid';
    end if;
  end if;
end $$;
