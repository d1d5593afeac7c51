-- What a person must look at: a payment that does not match, a refund that failed, a dispute …
create table flags (
  id          integer generated always as identity primary key,
  kind        text not null,
  subject     text not null,
  detail      text not null,
  booking_id  integer references bookings,
  -- How often it has happened, and when last, since it was raised.
  occurrences integer not null default 1,
  last_at     timestamptz not null default now(),
  -- It tells of something that is so, and is looked at again and again, rather than of something that happened.
  standing    boolean not null default false,
  created_at  timestamptz not null default now(),
  resolved_at timestamptz,
  constraint flags_once unique (kind, subject)
);

create index flags_open on flags (created_at) where resolved_at is null;
create index flags_standing on flags (kind) where standing;

-- Puts something before a person's eyes, once per kind and subject; what happens again is counted, and a flag that was
-- resolved is raised again. One that is standing would come back at every look: while the same thing goes on, whoever
-- has resolved it is reminded after a day. Once it is over (end_flags), it is raised again at once.
-- Returns whether the flag is newly raised.
create function raise_flag(
  p_kind text, p_subject text, p_detail text, p_booking_id integer default null, p_standing boolean default false
) returns boolean language plpgsql as $$
declare
  v_occurrences integer;
begin
  insert into flags as f (kind, subject, detail, booking_id, standing, created_at, last_at)
  values (p_kind, p_subject, p_detail, p_booking_id, p_standing, clock_timestamp(), clock_timestamp())
  on conflict (kind, subject) do update
     set resolved_at = null, detail = excluded.detail, standing = excluded.standing,
         booking_id = coalesce(excluded.booking_id, f.booking_id), last_at = excluded.last_at,
         occurrences = case when f.resolved_at is null then f.occurrences + 1 else 1 end,
         created_at = case when f.resolved_at is null then f.created_at else excluded.created_at end
   where not (f.standing and p_standing)
      or f.resolved_at < clock_timestamp() - interval '1 day'
  returning occurrences into v_occurrences;
  return coalesce(v_occurrences = 1, false);
end $$;

-- What these flags tell of is over: they are resolved, and raised again when it begins anew.
create function end_flags(p_ids integer[]) returns integer language sql as $$
  with ended as (
    update flags f set standing = false, resolved_at = coalesce(f.resolved_at, clock_timestamp())
     where f.id = any (p_ids) and f.standing returning 1
  )
  select count(*)::integer from ended
$$;

-- What staff did, beside the moves of bookings (booking_events). Append-only (see the grants and the trigger).
create table staff_events (
  id           bigint generated always as identity primary key,
  at           timestamptz not null default clock_timestamp(),
  actor_id     integer not null references users,
  action       text not null,
  subject_kind text not null,
  subject_id   integer not null,
  detail       text not null default '',
  constraint staff_events_subject_known check (subject_kind in ('user', 'room', 'booking', 'flag'))
);

create index staff_events_of_subject on staff_events (subject_kind, subject_id, id);

create trigger staff_events_append_only before update or delete on staff_events
  for each statement execute function refuse_change();
