#!/bin/sh
# Writes everything to stdout: a tar of the data as Redis dumps it, and of the logins' hashes.
set -eu
export REDISCLI_AUTH="$REDIS_ADMIN_PASSWORD"
umask 077
work=$(mktemp -d "${REDIS_DATA:-/var/lib/redis}/backup.XXXXXX")
trap 'rm -rf "$work"' EXIT
redis-cli -h 127.0.0.1 --user admin --no-auth-warning --rdb "$work/dump.rdb" > "$work/log" 2>&1 \
    || { cat "$work/log" >&2; exit 1; }
redis-cli -h 127.0.0.1 --user admin --no-auth-warning acl list > "$work/users.acl"
tar --directory "$work" --create dump.rdb users.acl
