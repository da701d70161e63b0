#!/bin/sh
# Writes all metrics to stdout as a tar. The server is down while they are copied, for files that
# change make no backup.
set -eu
data=${PROMETHEUS_DATA:-/var/lib/prometheus}
run=${PROMETHEUS_RUN:-/tmp/prometheus}
trap 'rm -f "$run/hold"' EXIT
echo $$ > "$run/hold"
server=$(cat "$run/child")
kill -TERM "$server"
while kill -0 "$server" 2>/dev/null; do sleep 0.1; done
mkdir -p "$data/metrics"
tar --directory "$data" --create metrics
