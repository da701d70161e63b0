#!/bin/sh
# Reads what backup.sh wrote from stdin and puts it in the place of all that is here.
#
# A second server, for this container alone, reads the dump; the first becomes its replica until
# it holds the same, and stays on its own from then on. Logins that are missing here come back;
# those that are here keep their passwords.
set -eu
export REDISCLI_AUTH="$REDIS_ADMIN_PASSWORD"
umask 077
port=6380
work=$(mktemp -d "${REDIS_DATA:-/var/lib/redis}/restore.XXXXXX")
other=
own() { redis-cli -h 127.0.0.1 --user admin --no-auth-warning -e "$@"; }
end() {
    [ -z "$other" ] || { kill "$other" 2>/dev/null && wait "$other" || true; }
    own replicaof no one > /dev/null || true
    rm -rf "$work"
}
trap end EXIT
tar --directory "$work" --extract dump.rdb users.acl

redis-server --bind 127.0.0.1 --port "$port" --dir "$work" --appendonly no --save '' \
    --loglevel warning --repl-diskless-sync-delay 0 > "$work/log" 2>&1 &
other=$!
until [ "$(env -u REDISCLI_AUTH redis-cli -p "$port" ping 2>/dev/null)" = PONG ]; do
    kill -0 "$other" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
    sleep 0.2
done
keys=$(env -u REDISCLI_AUTH redis-cli -p "$port" info keyspace)

own replicaof 127.0.0.1 "$port" > /dev/null
tries=0
until own info replication | grep -q '^master_link_status:up'; do
    tries=$((tries + 1))
    [ "$tries" -lt 6000 ] || { echo "the data was not taken over within 10 minutes" >&2; exit 1; }
    sleep 0.1
done
own replicaof no one > /dev/null

known=$(own acl users)
while read -r word name rules; do
    [ "$word" = user ] || continue
    echo "$known" | grep -qx -- "$name" || echo "acl setuser $name $rules"
done < "$work/users.acl" > "$work/commands"
echo "acl save" >> "$work/commands"
own < "$work/commands" > /dev/null
echo "restored: $(echo "$keys" | tr -d '\r' | grep '^db' | tr '\n' ' ')" >&2
