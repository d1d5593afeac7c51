-- The settings with which the open bookings were made and begun, as the processes last started with them: so that a
-- changed one is noticed (core/deployment/remember-settings.ts). No secrets.
create table deployment_settings (
  name  text primary key,
  value text not null,
  since timestamptz not null default clock_timestamp()
);

-- Every task queue that workers of this database have served: workflows stay on the one that they began on.
create table task_queues (
  namespace     text not null,
  name          text not null,
  first_used_at timestamptz not null default clock_timestamp(),
  primary key (namespace, name)
);
