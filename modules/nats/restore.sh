#!/bin/sh
# Reads what backup.sh wrote from stdin and puts the streams in the place of those that are here;
# the server is down for a moment. Logins stay as they are.
set -eu
data=${NATS_DATA:-/var/lib/nats}
run=${NATS_RUN:-/tmp/nats}
umask 077
work=$(mktemp -d "$data/restore.XXXXXX")
trap 'rm -rf "$work" "$run/hold"' EXIT
tar --directory "$work" --extract streams

echo $$ > "$run/hold"
server=$(cat "$run/child")
kill -TERM "$server"
while kill -0 "$server" 2>/dev/null; do sleep 0.1; done
[ ! -d "$data/streams" ] || mv "$data/streams" "$work/old"
mv "$work/streams" "$data/streams"
rm -f "$run/hold"
until /module/ready.sh 2>/dev/null; do sleep 0.2; done
