#!/bin/sh
# Starts the server. Reads REDIS_ADMIN_PASSWORD, SETTING_MEMORY, SETTING_KEEP, SETTING_WHEN_FULL.
set -eu
: "${REDIS_ADMIN_PASSWORD:?the admin password is not set}"
umask 077
data=${REDIS_DATA:-/var/lib/redis}
run=${REDIS_RUN:-/tmp/redis}
mkdir -p "$data/store" "$run"

# Two thirds of the memory, in bytes: a child that writes the data to disk shares the rest. Units
# are those of Kubernetes.
maxmemory() {
    echo "${SETTING_MEMORY:-256Mi}" | awk '{
        number = $0 + 0; unit = $0; sub(/^[0-9.]+/, "", unit)
        factor["Ki"] = 1024; factor["Mi"] = 1048576; factor["Gi"] = 1073741824
        factor["k"] = 1000; factor["M"] = 1000000; factor["G"] = 1000000000; factor[""] = 1
        printf "%.0f\n", number * factor[unit] * 2 / 3
    }'
}

case ${SETTING_KEEP:-everysec} in
    always|everysec) appendonly=yes appendfsync=${SETTING_KEEP:-everysec} save='""' ;;
    no)              appendonly=no  appendfsync=no save='""' ;;
    *) echo "keep is \"$SETTING_KEEP\": it may be always, everysec or no" >&2; exit 1 ;;
esac
case ${SETTING_WHEN_FULL:-noeviction} in
    noeviction|allkeys-lru|allkeys-lfu|allkeys-random|volatile-lru|volatile-lfu|volatile-random|volatile-ttl) ;;
    *) echo "when_full is \"$SETTING_WHEN_FULL\": it may be noeviction, allkeys-lru, allkeys-lfu, allkeys-random, volatile-lru, volatile-lfu, volatile-random or volatile-ttl" >&2; exit 1 ;;
esac

# The logins of the wires stay as they are; that of the admin follows its secret. Only hashes are
# kept on the disk.
hash=$(printf '%s' "$REDIS_ADMIN_PASSWORD" | sha256sum | cut -d' ' -f1)
{
    echo "user default off resetpass -@all"
    echo "user admin on #$hash ~* &* +@all"
    [ ! -f "$data/users.acl" ] || grep -Ev '^user (default|admin) ' "$data/users.acl" || true
} > "$data/users.acl.new"
mv "$data/users.acl.new" "$data/users.acl"

cat > "$run/redis.conf" <<CONF
bind * -::*
port ${REDIS_PORT:-6379}
protected-mode no
daemonize no
dir $data/store
aclfile $data/users.acl
appendonly $appendonly
appendfsync $appendfsync
save $save
maxmemory $(maxmemory)
maxmemory-policy ${SETTING_WHEN_FULL:-noeviction}
logfile ""
auto-aof-rewrite-min-size 16mb
CONF
# What the app adds comes last and so is what counts; the server refuses what it does not know.
[ ! -f /etc/redis/extend/config.conf ] || cat /etc/redis/extend/config.conf >> "$run/redis.conf"
# The server's process need not carry the password.
unset REDIS_ADMIN_PASSWORD
exec redis-server "$run/redis.conf"
