#!/bin/bash
# One login per wire. Harmless to repeat.
#
#   grant    create or bring up to date   (WIRE_USERNAME, WIRE_PASSWORD)
#   rotate   add a second login WIRE_NEXT_USERNAME with WIRE_NEXT_PASSWORD and the same rights
#   revoke   take the login WIRE_USERNAME away and end its connections; streams stay
#
# Speaks to logins.pl at WIRE_HOST:WIRE_ADMIN_PORT, with NATS_ADMIN_PASSWORD.
set -eu
: "${WIRE_HOST:?}" "${WIRE_ADMIN_PORT:?}" "${WIRE_USERNAME:?}" "${NATS_ADMIN_PASSWORD:?}"

# Nothing is an argument: command lines can be read by others.
send() {
    answer=$(
        exec 2>&1 3<>"/dev/tcp/$WIRE_HOST/$WIRE_ADMIN_PORT" || exit 1
        printf '%s\n%s\n' "$NATS_ADMIN_PASSWORD" "$1" >&3
        IFS= read -r -t 10 line <&3 && echo "$line"
    ) || true
    [ "$answer" = ok ]
}

# The server may still be starting: that is no failure for a minute.
tries=0
until send ping; do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || { echo "no server at $WIRE_HOST:$WIRE_ADMIN_PORT for 60 s: $answer" >&2; exit 1; }
    sleep 1
done

carry_out() { send "$1" || { echo "the login was not taken: $answer" >&2; exit 1; }; }

case "${1:-grant}" in
grant)
    : "${WIRE_PASSWORD:?}"
    carry_out "set $WIRE_USERNAME $WIRE_PASSWORD"
    echo "login $WIRE_USERNAME may use every subject"
    ;;
rotate)
    : "${WIRE_NEXT_USERNAME:?}" "${WIRE_NEXT_PASSWORD:?}"
    carry_out "set $WIRE_NEXT_USERNAME $WIRE_NEXT_PASSWORD"
    echo "login $WIRE_NEXT_USERNAME works beside $WIRE_USERNAME"
    ;;
revoke)
    carry_out "remove $WIRE_USERNAME"
    echo "login $WIRE_USERNAME is gone; streams stay"
    ;;
*)
    echo "usage: grant.sh grant|rotate|revoke" >&2
    exit 2
    ;;
esac
