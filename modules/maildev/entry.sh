#!/bin/sh
# Starts the server, and starts it again when restore.sh is done with its files. Reads
# MAILDEV_WEB_USER, MAILDEV_WEB_PASS, SETTING_MEMORY, SETTING_MAX_MAILS, SETTING_MAX_MESSAGE,
# SETTING_BASE.
set -eu
: "${MAILDEV_WEB_USER:?}" "${MAILDEV_WEB_PASS:?the password of the page is not set}"
umask 077
data=${MAILDEV_DATA:-/var/lib/maildev}
run=${MAILDEV_RUN:-/tmp/maildev}
mkdir -p "$data/mails" "$run"

# Half of the memory, in MiB, for what the server keeps. Units are those of Kubernetes.
heap() {
    echo "${SETTING_MEMORY:-256Mi}" | awk '{
        number = $0 + 0; unit = $0; sub(/^[0-9.]+/, "", unit)
        factor["Ki"] = 1024; factor["Mi"] = 1048576; factor["Gi"] = 1073741824
        factor["k"] = 1000; factor["M"] = 1000000; factor["G"] = 1000000000; factor[""] = 1
        printf "%.0f\n", number * factor[unit] / 1048576 / 2
    }'
}

child= ending=
# The server runs as a child, so that its files can be worked on without ending the container.
trap 'ending=1; [ -z "$child" ] || kill -TERM "$child"' TERM INT
cd "$run"
while [ -z "$ending" ]; do
    node --max-old-space-size="$(heap)" /opt/maildev/node_modules/maildev/dist/bin/maildev.js \
        --ip 0.0.0.0 --smtp 1025 --web-ip 0.0.0.0 --web 1080 --base-pathname "${SETTING_BASE:-/}" \
        --mail-directory "$data/mails" --max-emails "${SETTING_MAX_MAILS:-1000}" \
        --max-message-size "${SETTING_MAX_MESSAGE:-26214400}" &
    child=$!
    echo "$child" > "$run/child"
    code=0
    # A signal ends the waiting, not the server.
    while kill -0 "$child" 2>/dev/null; do code=0; wait "$child" || code=$?; done
    [ -z "$ending" ] || exit 0
    # It ended by itself, unless a restore is under way that lives.
    holder=$(cat "$run/hold" 2>/dev/null) || exit "$code"
    while [ -e "$run/hold" ] && kill -0 "$holder" 2>/dev/null && [ -z "$ending" ]; do sleep 0.2; done
    rm -f "$run/hold"
done
