#!/bin/sh
# Starts the server; creates the system tables first if the disk is empty.
# Reads MARIADB_ADMIN_PASSWORD, SETTING_MEMORY, SETTING_MAX_CONNECTIONS.
set -eu
: "${MARIADB_ADMIN_PASSWORD:?the admin password is not set}"
umask 077
disk=${MARIADB_DATA:-/var/lib/mysql}
data="$disk/data"
run=${MARIADB_RUN:-/tmp/mariadb}
extend=/etc/mysql/extend
mkdir -p "$run"

# Two fifths of the memory, in bytes, at least 16 MiB. Units are those of Kubernetes.
buffer_pool() {
    echo "${SETTING_MEMORY:-512Mi}" | awk '{
        number = $0 + 0; unit = $0; sub(/^[0-9.]+/, "", unit)
        factor["Ki"] = 1024; factor["Mi"] = 1048576; factor["Gi"] = 1073741824
        factor["k"] = 1000; factor["M"] = 1000000; factor["G"] = 1000000000; factor[""] = 1
        bytes = number * factor[unit] * 2 / 5
        printf "%.0f\n", bytes < 16777216 ? 16777216 : bytes
    }'
}

cat > "$run/my.cnf" <<CONF
[mariadbd]
socket = $run/mariadb.sock
pid-file = $run/mariadb.pid
port = ${MARIADB_PORT:-3306}
bind-address = *
skip-name-resolve
character-set-server = utf8mb4
collation-server = utf8mb4_unicode_ci
innodb_buffer_pool_size = $(buffer_pool)
innodb_flush_log_at_trx_commit = 1
innodb_file_per_table = 1
max_connections = ${SETTING_MAX_CONNECTIONS:-100}
performance_schema = off
local_infile = off
secure_file_priv = $run
tmpdir = $run
CONF
# What the app adds comes last and so is what counts; the server refuses what it does not know.
[ ! -f "$extend/config.cnf" ] || cat "$extend/config.cnf" >> "$run/my.cnf"

if [ ! -d "$data/mysql" ]; then
    # Made beside its final place and renamed when complete: a start that was cut off leaves
    # nothing that looks like a database.
    rm -rf "$data.new"
    mkdir -p "$data.new"
    mariadb-install-db --defaults-file="$run/my.cnf" --datadir="$data.new" --skip-test-db \
        --auth-root-authentication-method=normal > "$run/install.log" 2>&1 \
        || { cat "$run/install.log" >&2; exit 1; }
    mariadbd --defaults-file="$run/my.cnf" --datadir="$data.new" --bootstrap > "$run/install.log" 2>&1 <<SQL \
        || { cat "$run/install.log" >&2; exit 1; }
flush privileges;
delete from mysql.global_priv where user <> 'mariadb.sys';
delete from mysql.proxies_priv;
flush privileges;
create user admin@'%' identified by '$MARIADB_ADMIN_PASSWORD';
grant all privileges on *.* to admin@'%' with grant option;
SQL
    # What the app adds to an empty disk is part of making it: all of it, or nothing.
    if [ -d "$extend/init" ]; then
        mariadbd --defaults-file="$run/my.cnf" --datadir="$data.new" --skip-networking --skip-grant-tables \
            > "$run/install.log" 2>&1 &
        server=$!
        until mariadb --no-defaults --socket="$run/mariadb.sock" --execute='do 1' 2>/dev/null; do
            kill -0 "$server" 2>/dev/null || { cat "$run/install.log" >&2; exit 1; }
            sleep 0.2
        done
        for file in "$extend/init"/*.sql; do
            echo "init: $(basename "$file")"
            { echo 'flush privileges;'; cat "$file"; } | mariadb --no-defaults --socket="$run/mariadb.sock" --user=admin --password="$MARIADB_ADMIN_PASSWORD" mysql
        done
        kill "$server"
        wait "$server" || true
    fi
    sync
    mv "$data.new" "$data"
    echo "created a new database in $data"
fi
# The admin's password follows its secret, which a restore may have brought back. The file is read
# once, before anybody can connect.
cat > "$run/init.sql" <<SQL
create user if not exists admin@'%';
alter user admin@'%' identified by '$MARIADB_ADMIN_PASSWORD';
SQL
# The server's process need not carry the password.
unset MARIADB_ADMIN_PASSWORD
exec mariadbd --defaults-file="$run/my.cnf" --datadir="$data" --init-file="$run/init.sql"
