#!/bin/sh
# Reads what backup.sh wrote from stdin and puts the messages and sessions in the place of those
# that are here; the broker is down for a moment. Logins stay as they are.
set -eu
data=${MOSQUITTO_DATA:-/var/lib/mosquitto}
run=${MOSQUITTO_RUN:-/tmp/mosquitto}
umask 077
work=$(mktemp -d "$data/restore.XXXXXX")
trap 'rm -rf "$work" "$run/hold"' EXIT
cat > "$work/mosquitto.db"
case $(head -c 12 "$work/mosquitto.db" | tr -d '\0') in
    *mosquitto*) ;;
    *) echo "this is no backup of mosquitto" >&2; exit 1 ;;
esac

echo $$ > "$run/hold"
broker=$(cat "$run/pid")
kill -TERM "$broker"
while kill -0 "$broker" 2>/dev/null; do sleep 0.1; done
mv "$work/mosquitto.db" "$data/mosquitto.db"
rm -f "$run/hold"
until /module/ready.sh 2>/dev/null; do sleep 0.2; done
