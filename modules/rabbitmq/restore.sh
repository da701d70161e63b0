#!/bin/sh
# Reads what backup.sh wrote from stdin and puts it in the place of all that is here; the broker is
# asleep meanwhile. The logins that are here stay as they are, beside those of the backup.
set -eu
home=${HOME:-/var/lib/rabbitmq}
umask 077
work=$(mktemp -d "$home/restore.XXXXXX")
trap 'rabbitmqctl --quiet start_app >&2; rm -rf "$work"' EXIT
mkdir "$work/new" "$work/old"
tar --directory "$work/new" --extract
[ -d "$work/new/rabbit@localhost" ] || { echo "this is no backup of rabbitmq" >&2; exit 1; }

# The password goes through stdin: command lines can be read by others.
ask() {
    curl --silent --show-error --fail --max-time 20 --config - <<CONFIG
user = "admin:$RABBITMQ_ADMIN_PASSWORD"
url = "http://127.0.0.1:${RABBITMQ_ADMIN_PORT:-15672}/api/$1"
CONFIG
}
printf '{"users":%s,"permissions":%s}' "$(ask users)" "$(ask permissions)" > "$work/logins.json"

rabbitmqctl --quiet stop_app >&2
for name in rabbit@localhost rabbit@localhost-feature_flags; do
    [ ! -e "$home/mnesia/$name" ] || mv "$home/mnesia/$name" "$work/old/"
    [ ! -e "$work/new/$name" ] || mv "$work/new/$name" "$home/mnesia/"
done
rabbitmqctl --quiet start_app >&2
rabbitmqctl --quiet import_definitions "$work/logins.json" >&2
