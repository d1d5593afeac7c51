#!/bin/sh
# Brings Temporal's schemas to the version of this image. Does nothing to what is there already.
# SQL_PASSWORD: the password of the role `temporal`, which owns both databases (ops/postgres/init.sh).
# SQL_HOST, SQL_PORT: where Postgres is, unless it is `postgres:5432`.
set -eu

set_up() {
  database=$1
  schema=$2
  tool="temporal-sql-tool --plugin postgres12 --ep ${SQL_HOST:-postgres} -p ${SQL_PORT:-5432} -u temporal --db $database"
  $tool setup-schema -v 0.0
  $tool update-schema --schema-name "postgresql/v12/$schema"
}

set_up temporal temporal
set_up temporal_visibility visibility
