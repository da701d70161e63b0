#!/bin/sh
# Reads what backup.sh wrote from stdin. Databases that are in it are replaced.
set -eu
export MYSQL_PWD="$MARIADB_ADMIN_PASSWORD"
exec mariadb --no-defaults --host=127.0.0.1 --user=admin
