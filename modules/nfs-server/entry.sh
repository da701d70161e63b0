#!/bin/sh
# Starts the server, and starts it again when backup.sh or restore.sh are done with its files.
# Reads SETTING_MEMORY.
set -eu
umask 022
disk=${NFS_DISK:-/var/lib/nfs-server}
run=${NFS_RUN:-/tmp/nfs-server}
# What is exported; what is being written; what clients call files by, which outlives a restart.
mkdir -p "$disk/files" "$disk/written" "$disk/handles" "$run"

# The garbage collector works harder before the container's limit is reached.
GOMEMLIMIT=$(echo "${SETTING_MEMORY:-256Mi}" | awk '{
    number = $0 + 0; unit = $0; sub(/^[0-9.]+/, "", unit)
    factor["Ki"] = 1024; factor["Mi"] = 1048576; factor["Gi"] = 1073741824
    factor["k"] = 1000; factor["M"] = 1000000; factor["G"] = 1000000000; factor[""] = 1
    printf "%.0f\n", number * factor[unit] * 0.8
}')
export GOMEMLIMIT

child= ending=
# The server runs as a child, so that its files can be worked on without ending the container.
trap 'ending=1; [ -z "$child" ] || kill -TERM "$child"' TERM INT
while [ -z "$ending" ]; do
    # A file that a client wrote is in its place as soon as the client has closed it.
    rclone --config "" --cache-dir "$disk/written" serve nfs "$disk/files" \
        --addr "0.0.0.0:${NFS_PORT:-2049}" --nfs-cache-type disk --nfs-cache-dir "$disk/handles" \
        --vfs-cache-mode writes --vfs-write-back 0s --vfs-cache-max-age 1m --vfs-cache-poll-interval 30s \
        --file-perms 0666 --dir-perms 0777 &
    child=$!
    echo "$child" > "$run/child"
    code=0
    # A signal ends the waiting, not the server.
    while kill -0 "$child" 2>/dev/null; do code=0; wait "$child" || code=$?; done
    [ -z "$ending" ] || exit 0
    # It ended by itself, unless a backup or restore is under way that lives.
    holder=$(cat "$run/hold" 2>/dev/null) || exit "$code"
    while [ -e "$run/hold" ] && kill -0 "$holder" 2>/dev/null && [ -z "$ending" ]; do sleep 0.2; done
    rm -f "$run/hold"
done
