create table rooms (
  id                    integer generated always as identity primary key,
  name                  text not null constraint rooms_name_taken unique,
  description           text not null default '',
  price_minor           integer not null,
  currency              text not null,
  capacity              integer not null,
  amenities             text[] not null default '{}',
  is_available          boolean not null default true,
  slot_duration_minutes integer not null default 30,
  opening_time          time not null,
  closing_time          time not null,
  time_zone             text not null,
  -- Grows with every edit: a booking is priced from a cached room and refused if the room has changed since.
  version               integer not null default 1,
  created_at            timestamptz not null default now(),
  updated_at            timestamptz not null default now(),
  constraint rooms_price_positive check (price_minor > 0),
  constraint rooms_capacity_positive check (capacity > 0),
  constraint rooms_currency_code check (currency ~ '^[a-z]{3}$'),
  constraint rooms_hours check (opening_time < closing_time),
  constraint rooms_grid check (
    slot_duration_minutes between 5 and 1440
    and extract(epoch from closing_time - opening_time)::integer % (slot_duration_minutes * 60) = 0
  )
);

create function bump_room_version() returns trigger language plpgsql as $$
begin
  new.version := old.version + 1;
  new.updated_at := now();
  return new;
end $$;

create trigger rooms_bump_version before update on rooms for each row execute function bump_room_version();
