#!/bin/sh
# Tries a wire once, with the wire's own login over the network: connects, logs in, opens the
# vhost and a channel, and publishes to a name that no queue has, so nothing is left behind.
# The login stands in the command line, which only this container can read.
set -eu
: "${WIRE_HOST:?}" "${WIRE_PORT:?}" "${WIRE_VHOST:?}" "${WIRE_USERNAME:?}" "${WIRE_PASSWORD:?}"
answer=$(timeout 10 amqp-publish --server="$WIRE_HOST" --port="$WIRE_PORT" --vhost="$WIRE_VHOST" \
    --username="$WIRE_USERNAME" --password="$WIRE_PASSWORD" \
    --routing-key="shelf-probe-$WIRE_USERNAME" --body= 2>&1) || { echo "not yet: $answer" >&2; exit 1; }
