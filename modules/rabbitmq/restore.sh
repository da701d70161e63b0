#!/bin/sh
# Reads what backup.sh wrote from stdin and puts it in the place of all that is here; the broker is
# asleep meanwhile. The admin's login follows its secret; those of the wires are made anew.
set -eu
home=${HOME:-/var/lib/rabbitmq}
umask 077
work=$(mktemp -d "$home/restore.XXXXXX")
trap 'rabbitmqctl --quiet start_app >&2; rm -rf "$work"' EXIT
mkdir "$work/new" "$work/old"
tar --directory "$work/new" --extract
[ -d "$work/new/rabbit@localhost" ] || { echo "this is no backup of rabbitmq" >&2; exit 1; }

rabbitmqctl --quiet stop_app >&2
for name in rabbit@localhost rabbit@localhost-feature_flags; do
    [ ! -e "$home/mnesia/$name" ] || mv "$home/mnesia/$name" "$work/old/"
    [ ! -e "$work/new/$name" ] || mv "$work/new/$name" "$home/mnesia/"
done
