#!/bin/sh
# Starts the server, and starts it again when backup.sh or restore.sh are done with its files.
# Reads NATS_ADMIN_PASSWORD, SETTING_MEMORY, SETTING_SIZE, SETTING_MAX_PAYLOAD.
set -eu
: "${NATS_ADMIN_PASSWORD:?the admin password is not set}"
umask 077
data=${NATS_DATA:-/var/lib/nats}
run=${NATS_RUN:-/tmp/nats}
mkdir -p "$data" "$run"
touch "$data/logins"
chmod 0600 "$data/logins"

# A share of an amount, in bytes. Units are those of Kubernetes.
share() { # amount share
    echo "$1" | awk -v share="$2" '{
        number = $0 + 0; unit = $0; sub(/^[0-9.]+/, "", unit)
        factor["Ki"] = 1024; factor["Mi"] = 1048576; factor["Gi"] = 1073741824; factor["Ti"] = 1099511627776
        factor["k"] = 1000; factor["M"] = 1000000; factor["G"] = 1000000000; factor["T"] = 1000000000000
        factor[""] = 1
        printf "%.0f\n", number * factor[unit] * share
    }'
}

cat > "$run/nats.conf" <<CONF
listen: 0.0.0.0:${NATS_PORT:-4222}
server_name: shelf
pid_file: "$run/pid"
max_payload: ${SETTING_MAX_PAYLOAD:-1MB}
jetstream {
    store_dir: "$data/streams"
    max_memory_store: $(share "${SETTING_MEMORY:-256Mi}" 0.25)
    max_file_store: $(share "${SETTING_SIZE:-4Gi}" 0.9)
}
include "logins.conf"
CONF
# What the app adds; the server refuses what it does not know.
[ ! -f /etc/nats/extend/config.conf ] || cat /etc/nats/extend/config.conf >> "$run/nats.conf"
# The garbage collector works harder before the container's limit is reached.
GOMEMLIMIT=$(share "${SETTING_MEMORY:-256Mi}" 0.8)
export GOMEMLIMIT
/module/logins.pl write

# Takes logins from grant.sh; ends with the container.
/module/logins.pl listen &
# The server's process need not carry the password.
unset NATS_ADMIN_PASSWORD

child= ending=
# The server runs as a child, so that its files can be worked on without ending the container.
trap 'ending=1; [ -z "$child" ] || kill -TERM "$child"' TERM INT
while [ -z "$ending" ]; do
    nats-server --config "$run/nats.conf" &
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
