#!/bin/sh
# Reads what backup.sh wrote from stdin and puts the mails in the place of those that are here;
# the server is down for a moment.
set -eu
data=${MAILDEV_DATA:-/var/lib/maildev}
run=${MAILDEV_RUN:-/tmp/maildev}
umask 077
work=$(mktemp -d "$data/restore.XXXXXX")
trap 'rm -rf "$work" "$run/hold"' EXIT
tar --directory "$work" --extract mails

echo $$ > "$run/hold"
server=$(cat "$run/child")
kill -TERM "$server"
while kill -0 "$server" 2>/dev/null; do sleep 0.1; done
[ ! -d "$data/mails" ] || mv "$data/mails" "$work/old"
mv "$work/mails" "$data/mails"
rm -f "$run/hold"
until /module/ready.sh 2>/dev/null; do sleep 0.2; done
