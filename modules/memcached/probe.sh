#!/bin/bash
# Tries a wire once over the network.
set -eu
: "${WIRE_HOST:?}" "${WIRE_PORT:?}"
timeout 5 bash -c '
    exec 3<>"/dev/tcp/$WIRE_HOST/$WIRE_PORT"
    printf "version\r\n" >&3
    read -r answer <&3
    case $answer in VERSION*) ;; *) echo "not yet: $answer" >&2; exit 1 ;; esac' \
    || { echo "not yet: no answer from $WIRE_HOST:$WIRE_PORT" >&2; exit 1; }
