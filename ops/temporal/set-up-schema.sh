#!/bin/sh
# Brings Temporal's schemas to the version of this image. Does nothing to what is there already.
# SQL_PASSWORD: the password of the role `temporal`, which owns both databases (ops/postgres/init.sh).
set -eu

set_up() {
  database=$1
  folder=$2
  tool="temporal-sql-tool --plugin postgres12 --ep postgres -p 5432 -u temporal --db $database"
  $tool setup-schema -v 0.0
  $tool update-schema -d "/etc/temporal/schema/postgresql/v12/$folder/versioned"
}

set_up temporal temporal
set_up temporal_visibility visibility
