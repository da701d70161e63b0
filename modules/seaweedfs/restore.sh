#!/bin/sh
# Reads what backup.sh wrote from stdin and puts the buckets in the place of those that are here;
# the store is down for a moment. Keys stay as they are.
set -eu
data=${S3_DATA:-/var/lib/seaweedfs}
run=${S3_RUN:-/tmp/seaweedfs}
umask 077
work=$(mktemp -d "$data/restore.XXXXXX")
trap 'rm -rf "$work" "$run/hold"' EXIT
tar --directory "$work" --extract store

echo $$ > "$run/hold"
store=$(cat "$run/child")
kill -TERM "$store"
while kill -0 "$store" 2>/dev/null; do sleep 0.1; done
mv "$data/store" "$work/old"
mv "$work/store" "$data/store"
rm -f "$run/hold" "$run/ready"
until /module/ready.sh 2>/dev/null; do sleep 0.2; done
