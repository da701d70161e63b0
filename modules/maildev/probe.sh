#!/bin/bash
# Tries a wire once over the network: the server greets.
set -eu
: "${WIRE_HOST:?}" "${WIRE_PORT:?}"
exec 3<>"/dev/tcp/$WIRE_HOST/$WIRE_PORT" || { echo "not yet: $WIRE_HOST:$WIRE_PORT does not answer" >&2; exit 1; }
IFS= read -r -t 5 answer <&3 || answer="no answer"
case $answer in 220*) printf 'QUIT\r\n' >&3 ;; *) echo "not yet: $answer" >&2; exit 1 ;; esac
