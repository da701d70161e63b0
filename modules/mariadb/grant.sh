#!/bin/sh
# One login and one database per wire. Harmless to repeat.
#
#   grant    create or bring up to date   (WIRE_USERNAME, WIRE_PASSWORD, WIRE_DATABASE)
#   rotate   add a second login WIRE_NEXT_USERNAME with WIRE_NEXT_PASSWORD and the same rights
#   revoke   take the login WIRE_USERNAME away and end its connections; the database stays
#
# Connects to WIRE_HOST:WIRE_PORT as admin with MARIADB_ADMIN_PASSWORD.
set -eu
: "${WIRE_HOST:?}" "${WIRE_PORT:?}" "${WIRE_DATABASE:?}" "${WIRE_USERNAME:?}" "${MARIADB_ADMIN_PASSWORD:?}"
export MYSQL_PWD="$MARIADB_ADMIN_PASSWORD"

# Statements go in through stdin: command lines can be read by others. Names and passwords are
# letters, digits, _ and -, so nothing needs quoting but the _ of a name that is a pattern.
run() { mariadb --no-defaults --host="$WIRE_HOST" --port="$WIRE_PORT" --user=admin --connect-timeout=5 --batch --skip-column-names; }

# The server may still be starting: that is no failure for a minute.
tries=0
until answer=$(echo 'select 1' | run 2>&1); do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || { echo "no server at $WIRE_HOST:$WIRE_PORT for 60 s: $answer" >&2; exit 1; }
    sleep 1
done

login() {
    pattern=$(printf '%s' "$WIRE_DATABASE" | sed 's/_/\\_/g')
    run <<SQL
create user if not exists \`$1\`@'%';
alter user \`$1\`@'%' identified by '$2';
grant all privileges on \`$pattern\`.* to \`$1\`@'%';
SQL
}

case "${1:-grant}" in
grant)
    : "${WIRE_PASSWORD:?}"
    echo "create database if not exists \`$WIRE_DATABASE\`" | run
    login "$WIRE_USERNAME" "$WIRE_PASSWORD"
    echo "login $WIRE_USERNAME has database $WIRE_DATABASE"
    ;;
rotate)
    : "${WIRE_NEXT_USERNAME:?}" "${WIRE_NEXT_PASSWORD:?}"
    login "$WIRE_NEXT_USERNAME" "$WIRE_NEXT_PASSWORD"
    echo "login $WIRE_NEXT_USERNAME works beside $WIRE_USERNAME"
    ;;
revoke)
    run <<SQL
drop user if exists \`$WIRE_USERNAME\`@'%';
kill user '$WIRE_USERNAME';
SQL
    echo "login $WIRE_USERNAME is gone; its data stays in $WIRE_DATABASE"
    ;;
*)
    echo "usage: grant.sh grant|rotate|revoke" >&2
    exit 2
    ;;
esac
