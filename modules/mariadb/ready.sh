#!/bin/sh
# Whether the server answers a query over the network, like a consumer's.
export MYSQL_PWD="$MARIADB_ADMIN_PASSWORD"
exec mariadb --no-defaults --host=127.0.0.1 --user=admin --connect-timeout=3 --execute='do 1'
