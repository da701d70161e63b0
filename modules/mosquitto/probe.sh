#!/bin/sh
# Tries a wire once, with the wire's own login over the network: connects and sends one message
# that nobody keeps. Options come from a file: command lines can be read by others.
set -eu
: "${WIRE_HOST:?}" "${WIRE_PORT:?}" "${WIRE_USERNAME:?}" "${WIRE_PASSWORD:?}"
umask 077
XDG_CONFIG_HOME=$(mktemp -d)
export XDG_CONFIG_HOME
trap 'rm -rf "$XDG_CONFIG_HOME"' EXIT
printf -- '-h %s\n-p %s\n-u %s\n-P %s\n' "$WIRE_HOST" "$WIRE_PORT" "$WIRE_USERNAME" "$WIRE_PASSWORD" \
    > "$XDG_CONFIG_HOME/mosquitto_pub"
answer=$(timeout 10 mosquitto_pub -q 1 -t "shelf/probe/$WIRE_USERNAME" -n 2>&1) \
    || { echo "not yet: $answer" >&2; exit 1; }
