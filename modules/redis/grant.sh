#!/bin/sh
# One login per wire. Harmless to repeat.
#
#   grant    create or bring up to date   (WIRE_USERNAME, WIRE_PASSWORD)
#   rotate   add a second login WIRE_NEXT_USERNAME with WIRE_NEXT_PASSWORD and the same rights
#   revoke   take the login WIRE_USERNAME away and end its connections; keys stay
#
# A login may use every key, channel and command that is not for running the server.
# Speaks to WIRE_HOST:WIRE_PORT as admin with REDIS_ADMIN_PASSWORD.
set -eu
: "${WIRE_HOST:?}" "${WIRE_PORT:?}" "${WIRE_USERNAME:?}" "${REDIS_ADMIN_PASSWORD:?}"
export REDISCLI_AUTH="$REDIS_ADMIN_PASSWORD"

# Commands go in through stdin: command lines can be read by others. Names and passwords are
# letters, digits, _ and -.
run() { redis-cli -h "$WIRE_HOST" -p "$WIRE_PORT" --user admin --no-auth-warning -e; }

# The server may still be starting: that is no failure for a minute.
tries=0
until answer=$(echo ping | run 2>&1) && [ "$answer" = PONG ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || { echo "no server at $WIRE_HOST:$WIRE_PORT for 60 s: $answer" >&2; exit 1; }
    sleep 1
done

# Each line must be answered with OK or a number.
say() {
    answer=$(run) || { echo "$answer" >&2; exit 1; }
    if echo "$answer" | grep -Evq '^(OK|[0-9]+|)$'; then echo "$answer" >&2; exit 1; fi
}

login() {
    say <<COMMANDS
acl setuser $1 reset on >$2 ~* &* +@all -@admin
acl save
COMMANDS
}

case "${1:-grant}" in
grant)
    : "${WIRE_PASSWORD:?}"
    login "$WIRE_USERNAME" "$WIRE_PASSWORD"
    echo "login $WIRE_USERNAME may use every key"
    ;;
rotate)
    : "${WIRE_NEXT_USERNAME:?}" "${WIRE_NEXT_PASSWORD:?}"
    login "$WIRE_NEXT_USERNAME" "$WIRE_NEXT_PASSWORD"
    echo "login $WIRE_NEXT_USERNAME works beside $WIRE_USERNAME"
    ;;
revoke)
    say <<COMMANDS
acl deluser $WIRE_USERNAME
acl save
COMMANDS
    echo "login $WIRE_USERNAME is gone; keys stay"
    ;;
*)
    echo "usage: grant.sh grant|rotate|revoke" >&2
    exit 2
    ;;
esac
