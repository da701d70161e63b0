#!/bin/sh
# Tries a wire once, with the wire's own key over the network: puts, gets and deletes one object.
# The key goes through stdin: command lines can be read by others.
set -eu
: "${WIRE_ENDPOINT:?}" "${WIRE_BUCKET:?}" "${WIRE_REGION:?}" "${WIRE_ACCESS_KEY:?}" "${WIRE_SECRET_KEY:?}"
object="$WIRE_ENDPOINT/$WIRE_BUCKET/.shelf-probe-$WIRE_ACCESS_KEY"
file=$(mktemp)
trap 'rm -f "$file"' EXIT
printf probe > "$file"
call() { # options of curl
    curl --silent --show-error --fail --max-time 10 --config - "$@" "$object" <<CONFIG
aws-sigv4 = "aws:amz:$WIRE_REGION:s3"
user = "$WIRE_ACCESS_KEY:$WIRE_SECRET_KEY"
CONFIG
}
answer=$( { call --upload-file "$file" && call && call --request DELETE; } 2>&1) \
    || { echo "not yet: $answer" >&2; exit 1; }
[ "$answer" = probe ] || { echo "not yet: read $answer" >&2; exit 1; }
