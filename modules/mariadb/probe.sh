#!/bin/sh
# Tries a wire once, with the wire's own login over the network. The login goes through the
# environment: command lines can be read by others.
set -eu
: "${WIRE_HOST:?}" "${WIRE_PORT:?}" "${WIRE_DATABASE:?}" "${WIRE_USERNAME:?}" "${WIRE_PASSWORD:?}"
export MYSQL_PWD="$WIRE_PASSWORD"
answer=$(mariadb --no-defaults --host="$WIRE_HOST" --port="$WIRE_PORT" --user="$WIRE_USERNAME" \
    --connect-timeout=5 --execute="${WIRE_PROBE:-select 1}" "$WIRE_DATABASE" 2>&1) \
    || { echo "not yet: $answer" >&2; exit 1; }
