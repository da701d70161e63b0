#!/bin/sh
# Writes everything to stdout as SQL.
set -eu
export PGPASSWORD="$POSTGRES_PASSWORD"
exec pg_dumpall --host=127.0.0.1 --username=postgres --clean --if-exists
