#!/bin/sh
# Writes definitions, queues and messages to stdout as a tar. The broker is asleep while they are
# copied, for files that change make no backup.
set -eu
mnesia=${HOME:-/var/lib/rabbitmq}/mnesia
# Whatever happens to the copy, the broker goes on.
trap 'rabbitmqctl --quiet start_app >&2' EXIT
rabbitmqctl --quiet stop_app >&2
tar --directory "$mnesia" --create --exclude='*.pid' --exclude='*-plugins-expand' .
