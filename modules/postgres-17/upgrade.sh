#!/bin/bash
# Makes a cluster of this version from one of version 15, which stays as it is until the new one is
# complete, and is then kept as <folder>.upgraded; remove that when all is well.
#
#   upgrade.sh OLD NEW     folders of clusters on the same disk; reads POSTGRES_PASSWORD
#
# Both servers run for this container alone, and all is read from one and written to the other.
# pg_upgrade would copy files instead, but needs the new version to be as recent as the old one,
# and security updates of two Debian releases do not come on the same day.
set -euo pipefail
old=$1 new=$2
fresh="$new.new"
bin15=/usr/lib/postgresql/15/bin
bin17=/usr/lib/postgresql/17/bin
umask 077
work=$(mktemp -d)
rm -rf "$fresh"

printf '%s' "$POSTGRES_PASSWORD" > "$work/password"
"$bin17/initdb" --pgdata="$fresh" --username=postgres --pwfile="$work/password" \
    --auth-local=peer --auth-host=scram-sha-256 \
    --encoding=UTF8 --locale=C.UTF-8 --data-checksums > /dev/null
rm -f "$work/password"

# A folder that only this user may enter is the lock: who is in may read everything.
printf 'local all all trust\n' > "$work/hba"
start() { # bin cluster port
    rm -f "$2/postmaster.pid"
    "$1/pg_ctl" --pgdata="$2" --wait --timeout=3600 --log="$work/$3.log" --options="-p $3 -c listen_addresses='' -c unix_socket_directories=$work -c hba_file=$work/hba -c jit=off" start > /dev/null \
        || { cat "$work/$3.log" >&2; exit 1; }
}
stop() { "$1/pg_ctl" --pgdata="$2" --wait --timeout=3600 --mode=fast stop > /dev/null; }
echo "PostgreSQL 15 becomes 17"
start "$bin15" "$old" 5415
start "$bin17" "$fresh" 5417
"$bin15/pg_dumpall" --host="$work" --port=5415 --username=postgres \
    | sed '/^CREATE ROLE postgres;$/d' \
    | "$bin17/psql" --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --output=/dev/null \
        --host="$work" --port=5417 --username=postgres --dbname=postgres --file=- \
    || { echo "the upgrade did not happen; version 15 still has its data" >&2; exit 1; }
"$bin17/vacuumdb" --all --analyze-only --quiet --host="$work" --port=5417 --username=postgres
stop "$bin17" "$fresh"
stop "$bin15" "$old"
printf 'host all all all scram-sha-256\n' >> "$fresh/pg_hba.conf"
sync
# In this order: cut off between the two, the next start finds the new one.
mv "$fresh" "$new"
mv "$old" "$old.upgraded"
rm -rf "$work"
echo "upgraded; the data of version 15 is kept in $old.upgraded"
