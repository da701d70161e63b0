#!/bin/sh
# Writes all files to stdout as a tar. The server is down while they are copied, for files that
# change make no backup.
set -eu
disk=${NFS_DISK:-/var/lib/nfs-server}
run=${NFS_RUN:-/tmp/nfs-server}
trap 'rm -f "$run/hold"' EXIT
echo $$ > "$run/hold"
server=$(cat "$run/child")
kill -TERM "$server"
while kill -0 "$server" 2>/dev/null; do sleep 0.1; done
tar --directory "$disk" --create files
