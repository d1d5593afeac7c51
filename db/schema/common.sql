-- Definitions that the other files use. Money is integer minor units beside its currency, instants are timestamptz,
-- times of day belong to the room. Every rule that Postgres can enforce is in this folder; the services only translate
-- its errors.

create extension if not exists btree_gist;

-- The version of the baseline that created this database. Until 1.0.0 the baseline is edited in place, so a database of
-- another version cannot be migrated: db/migrate.ts refuses it.
create table schema_baseline (digest text not null);
insert into schema_baseline values ('');

-- Refuses updates and deletes on an append-only table.
create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end $$;

-- The row that `/readyz` writes to: a database that accepts no writes (a standby, a full disk) cannot serve.
create table readiness (
  id         boolean primary key default true,
  checked_at timestamptz not null default clock_timestamp(),
  constraint readiness_one_row check (id)
);
insert into readiness default values;
