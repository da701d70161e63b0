#!/bin/sh
# Tries a wire once, with the wire's own login over the network. The login goes through the
# environment: command lines can be read by others.
set -eu
: "${WIRE_HOST:?}" "${WIRE_PORT:?}" "${WIRE_DATABASE:?}" "${WIRE_USERNAME:?}" "${WIRE_PASSWORD:?}"
export PGHOST="$WIRE_HOST" PGPORT="$WIRE_PORT" PGDATABASE="$WIRE_DATABASE"
export PGUSER="$WIRE_USERNAME" PGPASSWORD="$WIRE_PASSWORD" PGCONNECT_TIMEOUT=5
answer=$(psql --no-psqlrc --tuples-only --no-align --command="${WIRE_PROBE:-select 1}" 2>&1) \
    || { echo "not yet: $answer" >&2; exit 1; }
