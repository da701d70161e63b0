#!/bin/bash
# One bucket and one key per wire. Harmless to repeat.
#
#   grant    create or bring up to date   (WIRE_ACCESS_KEY, WIRE_SECRET_KEY, WIRE_BUCKET)
#   rotate   add a second key WIRE_NEXT_ACCESS_KEY with WIRE_NEXT_SECRET_KEY and the same rights
#   revoke   take the key WIRE_ACCESS_KEY away; the bucket and its objects stay
#
# Speaks to keys.pl at WIRE_HOST:WIRE_ADMIN_PORT, with S3_ADMIN_SECRET.
set -eu
: "${WIRE_HOST:?}" "${WIRE_ADMIN_PORT:?}" "${WIRE_ACCESS_KEY:?}" "${WIRE_BUCKET:?}" "${S3_ADMIN_SECRET:?}"

# Nothing is an argument: command lines can be read by others.
send() {
    answer=$(
        exec 2>&1 3<>"/dev/tcp/$WIRE_HOST/$WIRE_ADMIN_PORT" || exit 1
        printf '%s\n%s\n' "$S3_ADMIN_SECRET" "$1" >&3
        IFS= read -r -t 60 line <&3 && echo "$line"
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

carry_out() { send "$1" || { echo "the key was not taken: $answer" >&2; exit 1; }; }

case "${1:-grant}" in
grant)
    : "${WIRE_SECRET_KEY:?}"
    carry_out "set $WIRE_ACCESS_KEY $WIRE_SECRET_KEY $WIRE_BUCKET"
    echo "key $WIRE_ACCESS_KEY has bucket $WIRE_BUCKET"
    ;;
rotate)
    : "${WIRE_NEXT_ACCESS_KEY:?}" "${WIRE_NEXT_SECRET_KEY:?}"
    carry_out "set $WIRE_NEXT_ACCESS_KEY $WIRE_NEXT_SECRET_KEY $WIRE_BUCKET"
    echo "key $WIRE_NEXT_ACCESS_KEY works beside $WIRE_ACCESS_KEY"
    ;;
revoke)
    carry_out "remove $WIRE_ACCESS_KEY"
    echo "key $WIRE_ACCESS_KEY is gone; the bucket and its objects stay"
    ;;
*)
    echo "usage: grant.sh grant|rotate|revoke" >&2
    exit 2
    ;;
esac
