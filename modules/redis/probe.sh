#!/bin/sh
# Tries a wire once, with the wire's own login over the network. The login goes through the
# environment: command lines can be read by others.
set -eu
: "${WIRE_HOST:?}" "${WIRE_PORT:?}" "${WIRE_USERNAME:?}" "${WIRE_PASSWORD:?}"
export REDISCLI_AUTH="$WIRE_PASSWORD"
answer=$(timeout 10 redis-cli -h "$WIRE_HOST" -p "$WIRE_PORT" --user "$WIRE_USERNAME" \
    --no-auth-warning "${WIRE_PROBE:-ping}" 2>&1) || true
[ "$answer" = PONG ] || { echo "not yet: $answer" >&2; exit 1; }
