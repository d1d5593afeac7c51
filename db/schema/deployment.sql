-- The settings that open bookings depend on, as the processes last started with them, so that a change is noticed
-- (core/deployment/remember-settings.ts). No secrets.
create table deployment_settings (
  name  text primary key,
  value text not null,
  since timestamptz not null default clock_timestamp()
);

-- Every task queue that workers of this database have served: a workflow stays on the queue that it started on.
create table task_queues (
  namespace     text not null,
  name          text not null,
  first_used_at timestamptz not null default clock_timestamp(),
  primary key (namespace, name)
);
