-- The time that bookings occupy in their rooms, on the rooms' wall clocks. Not as instants: those depend on the rules
-- of a time zone, and when the zone or its rules change, two bookings of the same hour must not both be valid.
create table claims (
  -- A booking has one claim at most.
  booking_id integer primary key references bookings,
  room_id    integer not null references rooms,
  during     tsrange not null,
  -- The central rule: no two bookings that hold a room overlap.
  constraint claims_slot_taken exclude using gist (room_id with =, during with &&)
);

-- Housekeeping finds the claims of stays that ended long ago.
create index claims_by_end on claims (upper(during));

-- The range on a room's wall clock. `time` allows 24:00, which means midnight of the next day here.
create function wall_clock(day date, start_time time, end_time time) returns tsrange
language sql immutable return tsrange(day + start_time, day + end_time);

-- Keeps a booking's claim in step with its status: a pending or confirmed booking has one, and a completed one until a
-- day after its end, so that a stay that a wrong clock completed too early keeps its time. It is a trigger, so that no
-- statement, by whatever author, can take time without a claim, or keep a claim without taking time.
create function keep_claim() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' then
    delete from claims c where c.booking_id = new.id;
  end if;
  if new.status in ('pending', 'confirmed')
    or (new.status = 'completed' and upper(new.during) > clock_timestamp() - interval '24 hours')
  then
    insert into claims (booking_id, room_id, during)
    values (new.id, new.room_id, wall_clock(new.booking_date, new.start_time, new.end_time));
  end if;
  return null;
end $$;

create trigger bookings_claim after insert on bookings
  for each row when (new.status in ('pending', 'confirmed', 'completed')) execute function keep_claim();

-- Skipped for a move between two states that hold the time: paying for a hold touches no claim.
create trigger bookings_keep_claim after update on bookings
  for each row when (
    (old.status in ('pending', 'confirmed', 'completed')) is distinct from
    (new.status in ('pending', 'confirmed', 'completed'))
    or (old.room_id, old.booking_date, old.start_time, old.end_time) is distinct from
       (new.room_id, new.booking_date, new.start_time, new.end_time)
  ) execute function keep_claim();
