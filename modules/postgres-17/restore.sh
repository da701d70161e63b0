#!/bin/sh
# Reads what backup.sh wrote from stdin and makes it so: databases and logins that the backup has
# are replaced, others stay. The first error ends it.
set -eu
export PGPASSWORD="$POSTGRES_PASSWORD" PGHOST=127.0.0.1 PGUSER=postgres PGDATABASE=postgres

# A database in use cannot be replaced.
psql --no-psqlrc --quiet --output=/dev/null --command="
    select pg_terminate_backend(pid) from pg_stat_activity
     where pid <> pg_backend_pid() and backend_type = 'client backend'"

# The admin is there and in use: it is neither dropped nor created, only given its password. Roles
# come before the first database, so that rows are never looked at.
sed '1,/^\\connect /{
/^DROP ROLE IF EXISTS postgres;$/d
/^CREATE ROLE postgres;$/d
}' | psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --output=/dev/null --file=-
