#!/bin/sh
# Starts the server; creates the cluster first if the disk is empty.
# Reads POSTGRES_PASSWORD, SETTING_MEMORY, SETTING_MAX_CONNECTIONS.
set -eu
: "${PGDATA:=/var/lib/postgresql/data/15}"
: "${POSTGRES_PASSWORD:?the admin password is not set}"

extend=/etc/postgresql/extend

# One quarter of the memory, in kB, at least 16 MB. Units are those of Kubernetes.
buffers_kb() {
    amount=${SETTING_MEMORY:-512Mi}
    number=$(printf '%s' "$amount" | tr -dc '0-9')
    case $amount in
        *Gi) kb=$((number * 1024 * 1024)) ;;
        *Mi) kb=$((number * 1024)) ;;
        *Ki) kb=$number ;;
        *G)  kb=$((number * 976562)) ;;
        *M)  kb=$((number * 976)) ;;
        *)   kb=524288 ;;
    esac
    kb=$((kb / 4))
    [ "$kb" -ge 16384 ] || kb=16384
    echo "$kb"
}

# Data of a newer version cannot be read by this one, and must not be mistaken for an empty disk.
for other in "$(dirname "$PGDATA")"/[0-9]*; do
    version=$(basename "$other")
    case $version in *[!0-9]*) continue ;; esac
    [ "$version" -le "$(basename "$PGDATA")" ] || {
        echo "this disk holds data of PostgreSQL $version: use = \"postgres@$version\"" >&2
        exit 1
    }
done

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    # Made beside its final place and renamed when complete: a start that was cut off leaves
    # nothing that looks like a cluster.
    fresh="$PGDATA.new"
    rm -rf "$fresh"
    mkdir -p "$(dirname "$PGDATA")"
    secret=$(mktemp)
    printf '%s' "$POSTGRES_PASSWORD" > "$secret"
    initdb --pgdata="$fresh" --username=postgres --pwfile="$secret" \
        --auth-local=peer --auth-host=scram-sha-256 \
        --encoding=UTF8 --locale=C.UTF-8 --data-checksums > /dev/null
    rm -f "$secret"
    printf 'host all all all scram-sha-256\n' >> "$fresh/pg_hba.conf"
    # What the app adds to an empty disk is part of making it: all of it, or nothing.
    if [ -d "$extend/init" ]; then
        PGDATA="$fresh" pg_ctl --silent --wait --log=/tmp/init.log start \
            --options="-c listen_addresses='' -c unix_socket_directories=/tmp" || { cat /tmp/init.log >&2; exit 1; }
        for file in "$extend/init"/*.sql; do
            echo "init: $(basename "$file")"
            psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --host=/tmp --username=postgres --dbname=postgres --file="$file"
        done
        PGDATA="$fresh" pg_ctl --silent --wait --mode=fast stop
    fi
    sync
    mv "$fresh" "$PGDATA"
    echo "created a new cluster in $PGDATA"
fi

# What may be changed stands in a file, and what the app adds comes after it; what must be so is an
# argument, which goes before every file.
cat > /tmp/postgresql.conf <<CONF
include '$PGDATA/postgresql.conf'
jit = off
shared_buffers = $(buffers_kb)kB
log_line_prefix = '%m [%p] %q%u@%d '
include_if_exists '$extend/config.conf'
CONF
exec postgres -D "$PGDATA" \
    -c config_file=/tmp/postgresql.conf \
    -c listen_addresses='*' \
    -c password_encryption=scram-sha-256 \
    -c fsync=on -c full_page_writes=on \
    -c max_connections="${SETTING_MAX_CONNECTIONS:-100}" \
    -c unix_socket_directories=/run/postgresql
