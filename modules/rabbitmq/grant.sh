#!/bin/sh
# One login per wire, with all rights on the wire's vhost. Harmless to repeat.
#
#   grant    create or bring up to date   (WIRE_USERNAME, WIRE_PASSWORD, WIRE_VHOST)
#   rotate   add a second login WIRE_NEXT_USERNAME with WIRE_NEXT_PASSWORD and the same rights
#   revoke   take the login WIRE_USERNAME away; queues and messages stay
#
# Speaks to the management API at WIRE_HOST:WIRE_ADMIN_PORT as admin.
set -eu
: "${WIRE_HOST:?}" "${WIRE_ADMIN_PORT:?}" "${WIRE_USERNAME:?}" "${WIRE_VHOST:?}" "${RABBITMQ_ADMIN_PASSWORD:?}"
base="http://$WIRE_HOST:$WIRE_ADMIN_PORT/api"

# Passwords go through stdin: command lines can be read by others.
# Names and passwords are letters, digits, _ and -, so neither JSON nor URLs need quoting.
call() { # method path body
    curl --silent --show-error --fail-with-body --max-time 10 --config - <<CONFIG
user = "admin:$RABBITMQ_ADMIN_PASSWORD"
url = "$base/$2"
request = "$1"
header = "content-type: application/json"
data = "$(printf '%s' "${3:-}" | sed 's/\\/\\\\/g; s/"/\\"/g')"
CONFIG
}

login() {
    call PUT "users/$1" "{\"password\":\"$2\",\"tags\":\"\"}"
    call PUT "permissions/$WIRE_VHOST/$1" '{"configure":".*","write":".*","read":".*"}'
}

# The broker may still be starting: that is no failure for a minute.
tries=0
until answer=$(call GET "vhosts/$WIRE_VHOST" 2>&1) || [ "${answer#*Not Found}" != "$answer" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || { echo "no broker at $WIRE_HOST:$WIRE_ADMIN_PORT for 60 s: $answer" >&2; exit 1; }
    sleep 1
done

case "${1:-grant}" in
grant)
    : "${WIRE_PASSWORD:?}"
    call PUT "vhosts/$WIRE_VHOST" '{}'
    login "$WIRE_USERNAME" "$WIRE_PASSWORD"
    echo "login $WIRE_USERNAME has vhost $WIRE_VHOST"
    ;;
rotate)
    : "${WIRE_NEXT_USERNAME:?}" "${WIRE_NEXT_PASSWORD:?}"
    login "$WIRE_NEXT_USERNAME" "$WIRE_NEXT_PASSWORD"
    echo "login $WIRE_NEXT_USERNAME works beside $WIRE_USERNAME"
    ;;
revoke)
    call DELETE "users/$WIRE_USERNAME" || echo "there was no login $WIRE_USERNAME"
    echo "login $WIRE_USERNAME is gone; queues and messages stay"
    ;;
*)
    echo "usage: grant.sh grant|rotate|revoke" >&2
    exit 2
    ;;
esac
