#!/bin/sh
# One login and one database per wire. Harmless to repeat.
#
#   grant    create or bring up to date   (WIRE_USERNAME, WIRE_PASSWORD, WIRE_DATABASE)
#   rotate   add a second login WIRE_NEXT_USERNAME with WIRE_NEXT_PASSWORD and the same rights
#   revoke   take the login WIRE_USERNAME away; what it owns goes to WIRE_DATABASE's owner
#
# Connects to WIRE_HOST:WIRE_PORT as postgres with POSTGRES_PASSWORD.
set -eu
: "${WIRE_HOST:?}" "${WIRE_PORT:?}" "${WIRE_DATABASE:?}" "${WIRE_USERNAME:?}" "${POSTGRES_PASSWORD:?}"
export PGHOST="$WIRE_HOST" PGPORT="$WIRE_PORT" PGUSER=postgres PGPASSWORD="$POSTGRES_PASSWORD"
export PGCONNECT_TIMEOUT=5

# The server may still be starting: that is no failure for a minute.
tries=0
until pg_isready --quiet; do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || { echo "no server at $PGHOST:$PGPORT for 60 s" >&2; exit 1; }
    sleep 1
done

# Names and passwords go in as psql variables, which quotes them; passwords never in a command
# line: psql reads them from the environment with \getenv.
run() { psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --dbname="$1" --file=-; }

# A role that owns the database and that every login of the wire is a member of, so that what one
# login creates belongs to all of them, also after a rotation.
login() {
    LOGIN_NAME="$1" LOGIN_PASSWORD="$2" run postgres <<'SQL'
\getenv login LOGIN_NAME
\getenv password LOGIN_PASSWORD
\getenv database WIRE_DATABASE
set client_min_messages = warning;
set log_statement = none;
set log_min_error_statement = panic;
select format('create role %I nologin', :'database' || '_owner')
 where not exists (select from pg_roles where rolname = :'database' || '_owner') \gexec
select format('create role %I login', :'login')
 where not exists (select from pg_roles where rolname = :'login') \gexec
select format('alter role %I with login password %L', :'login', :'password') \gexec
select format('grant %I to %I', :'database' || '_owner', :'login') \gexec
select format('alter role %I set role to %I', :'login', :'database' || '_owner') \gexec
SQL
}

case "${1:-grant}" in
grant)
    : "${WIRE_PASSWORD:?}"
    login "$WIRE_USERNAME" "$WIRE_PASSWORD"
    run postgres <<'SQL'
\getenv database WIRE_DATABASE
select format('create database %I owner %I template template0 encoding %L',
              :'database', :'database' || '_owner', 'UTF8')
 where not exists (select from pg_database where datname = :'database') \gexec
select format('revoke all on database %I from public', :'database') \gexec
SQL
    run "$WIRE_DATABASE" <<'SQL'
\getenv database WIRE_DATABASE
select format('alter schema public owner to %I', :'database' || '_owner') \gexec
SQL
    echo "login $WIRE_USERNAME has database $WIRE_DATABASE"
    ;;
rotate)
    : "${WIRE_NEXT_USERNAME:?}" "${WIRE_NEXT_PASSWORD:?}"
    login "$WIRE_NEXT_USERNAME" "$WIRE_NEXT_PASSWORD"
    echo "login $WIRE_NEXT_USERNAME works beside $WIRE_USERNAME"
    ;;
revoke)
    run "$WIRE_DATABASE" <<'SQL'
\getenv login WIRE_USERNAME
\getenv database WIRE_DATABASE
select format('reassign owned by %I to %I', :'login', :'database' || '_owner')
 where exists (select from pg_roles where rolname = :'login') \gexec
select format('drop owned by %I', :'login')
 where exists (select from pg_roles where rolname = :'login') \gexec
select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = :'login' \g /dev/null
select format('drop role %I', :'login')
 where exists (select from pg_roles where rolname = :'login') \gexec
SQL
    echo "login $WIRE_USERNAME is gone; its data stays in $WIRE_DATABASE"
    ;;
*)
    echo "usage: grant.sh grant|rotate|revoke" >&2
    exit 2
    ;;
esac
