#!/bin/bash
# Tries a wire once, with the wire's own login over the network: connects, logs in, and waits for
# the answer to a ping. The protocol is plain text; nothing is an argument, where others could
# read it.
set -eu
: "${WIRE_HOST:?}" "${WIRE_PORT:?}" "${WIRE_USERNAME:?}" "${WIRE_PASSWORD:?}"
exec 3<>"/dev/tcp/$WIRE_HOST/$WIRE_PORT" || { echo "not yet: $WIRE_HOST:$WIRE_PORT does not answer" >&2; exit 1; }
IFS= read -r -t 5 info <&3 || { echo "not yet: $WIRE_HOST:$WIRE_PORT says nothing" >&2; exit 1; }
case $info in INFO*) ;; *) echo "not yet: $WIRE_HOST:$WIRE_PORT is not NATS" >&2; exit 1 ;; esac
printf 'CONNECT {"verbose":false,"pedantic":false,"user":"%s","pass":"%s","name":"probe"}\r\nPING\r\n' \
    "$WIRE_USERNAME" "$WIRE_PASSWORD" >&3
IFS= read -r -t 5 answer <&3 || answer="no answer"
case $answer in PONG*) ;; *) echo "not yet: $answer" >&2; exit 1 ;; esac
