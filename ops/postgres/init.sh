#!/bin/sh
# Run by the postgres image once, when its volume is empty: the roles and databases of the service and of Temporal.
# Neither role is a superuser; the extensions that the schemas need are trusted ones (PostgreSQL 13 and later).
set -eu

psql --set=ON_ERROR_STOP=1 --username="${POSTGRES_USER:-postgres}" --dbname=postgres \
  --set=owner_password="$BOOKING_OWNER_PASSWORD" \
  --set=app_password="$BOOKING_APP_PASSWORD" \
  --set=temporal_password="$TEMPORAL_DB_PASSWORD" <<'SQL'
create role booking_owner login password :'owner_password';
create role booking_app login password :'app_password';
create role temporal login password :'temporal_password';

create database booking owner booking_owner;
create database temporal owner temporal;
create database temporal_visibility owner temporal;

-- Each role sees its own database only.
revoke all on database booking, temporal, temporal_visibility from public;
grant connect on database booking to booking_app;
SQL
