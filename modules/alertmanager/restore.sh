#!/bin/sh
# Reads what backup.sh wrote from stdin and puts the alerts in the place of those that are here;
# the server is down for a moment.
set -eu
data=${ALERTMANAGER_DATA:-/var/lib/alertmanager}
run=${ALERTMANAGER_RUN:-/tmp/alertmanager}
umask 077
work=$(mktemp -d "$data/restore.XXXXXX")
trap 'rm -rf "$work" "$run/hold"' EXIT
tar --directory "$work" --extract alerts

echo $$ > "$run/hold"
server=$(cat "$run/child")
kill -TERM "$server"
while kill -0 "$server" 2>/dev/null; do sleep 0.1; done
[ ! -d "$data/alerts" ] || mv "$data/alerts" "$work/old"
mv "$work/alerts" "$data/alerts"
rm -f "$run/hold"
until /module/ready.sh 2>/dev/null; do sleep 0.2; done
