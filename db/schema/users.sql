create table users (
  id            integer generated always as identity primary key,
  -- Stored in canonical form only (domain/email.ts), so that the unique constraint decides who was first.
  email         text not null constraint users_email_taken unique,
  password_hash text not null,
  is_staff      boolean not null default false,
  is_superuser  boolean not null default false,
  is_active     boolean not null default true,
  created_at    timestamptz not null default now(),
  constraint users_email_canonical check (email = lower(email) and email = btrim(email) and length(email) <= 254)
);

-- Staff search for people by the beginning of their e-mail.
create index users_email_prefix on users (email text_pattern_ops);
