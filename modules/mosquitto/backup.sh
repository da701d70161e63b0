#!/bin/sh
# Writes the retained messages and the sessions to stdout, as the broker keeps them. The broker goes
# on; it writes its file anew and puts it in place when complete. Logins are made by their wires.
set -eu
data=${MOSQUITTO_DATA:-/var/lib/mosquitto}
run=${MOSQUITTO_RUN:-/tmp/mosquitto}
before=$(stat -c %Y.%i "$data/mosquitto.db" 2>/dev/null || echo none)
kill -USR1 "$(cat "$run/pid")"
tries=0
while [ "$(stat -c %Y.%i "$data/mosquitto.db" 2>/dev/null || echo none)" = "$before" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || { echo "the broker did not write its data within 60 s" >&2; exit 1; }
    sleep 0.2
done
exec cat "$data/mosquitto.db"
