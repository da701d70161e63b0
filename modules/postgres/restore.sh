#!/bin/sh
# Reads what backup.sh wrote from stdin.
set -eu
export PGPASSWORD="$POSTGRES_PASSWORD"
exec psql --no-psqlrc --quiet --host=127.0.0.1 --username=postgres --dbname=postgres --file=-
