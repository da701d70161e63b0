#!/bin/sh
# Reads what backup.sh wrote from stdin and puts the metrics in the place of those that are here;
# the server is down for a moment.
set -eu
data=${PROMETHEUS_DATA:-/var/lib/prometheus}
run=${PROMETHEUS_RUN:-/tmp/prometheus}
umask 077
work=$(mktemp -d "$data/restore.XXXXXX")
trap 'rm -rf "$work" "$run/hold"' EXIT
tar --directory "$work" --extract metrics

echo $$ > "$run/hold"
server=$(cat "$run/child")
kill -TERM "$server"
while kill -0 "$server" 2>/dev/null; do sleep 0.1; done
[ ! -d "$data/metrics" ] || mv "$data/metrics" "$work/old"
mv "$work/metrics" "$data/metrics"
rm -f "$run/hold"
until /module/ready.sh 2>/dev/null; do sleep 0.2; done
