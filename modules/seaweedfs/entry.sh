#!/bin/sh
# Starts the store, and starts it again when backup.sh or restore.sh are done with its files.
# Reads S3_ADMIN_SECRET, SETTING_MEMORY, SETTING_SIZE.
set -eu
: "${S3_ADMIN_SECRET:?the admin secret is not set}"
umask 077
data=${S3_DATA:-/var/lib/seaweedfs}
run=${S3_RUN:-/tmp/seaweedfs}
mkdir -p "$data/store" "$run"
touch "$data/keys"

# A share of an amount, in units of so many bytes. Units of the amount are those of Kubernetes.
share() { # amount share bytes
    echo "$1" | awk -v share="$2" -v bytes="$3" '{
        number = $0 + 0; unit = $0; sub(/^[0-9.]+/, "", unit)
        factor["Ki"] = 1024; factor["Mi"] = 1048576; factor["Gi"] = 1073741824; factor["Ti"] = 1099511627776
        factor["k"] = 1000; factor["M"] = 1000000; factor["G"] = 1000000000; factor["T"] = 1000000000000
        factor[""] = 1
        printf "%.0f\n", number * factor[unit] * share / bytes
    }'
}

# Objects lie in volumes, big files that grow; a bucket has at least one. About a hundred of them
# fill the disk, whatever its size, and each is between 64 MB and 30 GB.
volume_mb=$(share "${SETTING_SIZE:-20Gi}" 0.01 1048576)
[ "$volume_mb" -ge 64 ] || volume_mb=64
[ "$volume_mb" -le 30000 ] || volume_mb=30000
volumes=$(($(share "${SETTING_SIZE:-20Gi}" 0.95 1048576) / volume_mb))
[ "$volumes" -ge 8 ] || volumes=8
export WEED_MASTER_VOLUME_GROWTH_COPY_1=1

# The garbage collector works harder before the container's limit is reached.
GOMEMLIMIT=$(share "${SETTING_MEMORY:-512Mi}" 0.8 1)
export GOMEMLIMIT

# With one key in its own file the store never takes unsigned requests.
cat > "$run/identities.json" <<JSON
{ "identities": [{ "name": "admin", "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    "credentials": [{ "accessKey": "admin", "secretKey": "$S3_ADMIN_SECRET" }] }] }
JSON

# Takes keys from grant.sh; ends with the container.
/module/keys.pl listen &
# The store's process need not carry the secret.
unset S3_ADMIN_SECRET

child= ending=
# The store runs as a child, so that its files can be worked on without ending the container.
# Everything but the signed S3 port listens on this container's own address alone.
trap 'ending=1; [ -z "$child" ] || kill -TERM "$child"' TERM INT
while [ -z "$ending" ]; do
    rm -f "$run/ready"
    weed -logtostderr=true -v=0 server -dir="$data/store" -ip=127.0.0.1 -ip.bind=127.0.0.1 \
        -master.volumeSizeLimitMB="$volume_mb" -master.volumePreallocate=false \
        -volume.max="$volumes" -filer -s3 -s3.ip.bind=0.0.0.0 -s3.port="${S3_PORT:-8333}" \
        -s3.config="$run/identities.json" -s3.iam=false &
    child=$!
    echo "$child" > "$run/child"
    # What it holds are the buckets; who may use them is said anew each time.
    /module/keys.pl apply && touch "$run/ready" &
    code=0
    # A signal ends the waiting, not the store.
    while kill -0 "$child" 2>/dev/null; do code=0; wait "$child" || code=$?; done
    [ -z "$ending" ] || exit 0
    # It ended by itself, unless a backup or restore is under way that lives.
    holder=$(cat "$run/hold" 2>/dev/null) || exit "$code"
    while [ -e "$run/hold" ] && kill -0 "$holder" 2>/dev/null && [ -z "$ending" ]; do sleep 0.2; done
    rm -f "$run/hold"
done
