#!/bin/sh
# Reads what backup.sh wrote from stdin and puts the files in the place of those that are here; the
# server is down for a moment. What clients called the old files by is forgotten.
set -eu
disk=${NFS_DISK:-/var/lib/nfs-server}
run=${NFS_RUN:-/tmp/nfs-server}
work=$(mktemp -d "$disk/restore.XXXXXX")
trap 'rm -rf "$work" "$run/hold"' EXIT
tar --directory "$work" --extract files

echo $$ > "$run/hold"
server=$(cat "$run/child")
kill -TERM "$server"
while kill -0 "$server" 2>/dev/null; do sleep 0.1; done
mkdir "$work/old"
mv "$disk/files" "$disk/written" "$disk/handles" "$work/old/"
mv "$work/files" "$disk/files"
mkdir "$disk/written" "$disk/handles"
rm -f "$run/hold"
until /module/ready.sh 2>/dev/null; do sleep 0.2; done
