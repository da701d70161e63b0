#!/bin/sh
# Writes everything to stdout as SQL: the databases of all wires as of one moment, then the logins
# with the hashes of their passwords, each only if it is missing where this is read.
set -eu
export MYSQL_PWD="$MARIADB_ADMIN_PASSWORD"
query() { mariadb --no-defaults --host=127.0.0.1 --user=admin --batch --skip-column-names --raw --execute="$1"; }
own=$(query "select schema_name from information_schema.schemata
    where schema_name not in ('mysql', 'sys', 'information_schema', 'performance_schema')")
# Names of databases are letters, digits and _, made from the wires.
# shellcheck disable=SC2086
[ -z "$own" ] || mariadb-dump --no-defaults --host=127.0.0.1 --user=admin --single-transaction \
    --routines --events --triggers --hex-blob --add-drop-database --databases $own
query "select concat(quote(user), '@', quote(host)) from mysql.global_priv
    where host = '%' and user <> 'admin'" | while read -r login; do
    query "show create user $login" | sed 's/^CREATE USER /CREATE USER IF NOT EXISTS /; s/$/;/'
    query "show grants for $login" | grep -v '^GRANT USAGE' | sed 's/$/;/' || true
done
