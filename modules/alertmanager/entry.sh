#!/bin/sh
# Starts the server, and starts it again when restore.sh is done with its files. Reads
# MAIL_HOST, MAIL_PORT, MAIL_USERNAME, MAIL_PASSWORD, MAIL_FROM of its wire, SETTING_BASE,
# SETTING_TO, SETTING_FROM, SETTING_WAIT, SETTING_REPEAT.
set -eu
umask 077
data=${ALERTMANAGER_DATA:-/var/lib/alertmanager}
run=${ALERTMANAGER_RUN:-/tmp/alertmanager}
extend=/etc/alertmanager/extend
mkdir -p "$data/alerts" "$run"

if [ -f "$extend/config.yml" ]; then
    cat "$extend/config.yml" > "$run/alertmanager.yml"
else
    cat > "$run/alertmanager.yml" <<CONF
route:
  receiver: all
  group_by: [alertname]
  group_wait: ${SETTING_WAIT:-10s}
  group_interval: ${SETTING_WAIT:-10s}
  repeat_interval: ${SETTING_REPEAT:-4h}
templates: ["$extend/templates/*.tmpl"]
receivers:
  - name: all
CONF
    if [ -n "${MAIL_HOST:-}" ]; then
        # A login is sent only inside TLS.
        tls=false
        [ -z "${MAIL_USERNAME:-}" ] || tls=true
        cat >> "$run/alertmanager.yml" <<CONF
    email_configs:
      - to: "$SETTING_TO"
        from: "${MAIL_FROM:-$SETTING_FROM}"
        smarthost: "$MAIL_HOST:$MAIL_PORT"
        require_tls: $tls
        send_resolved: true
CONF
        [ "$tls" = false ] || cat >> "$run/alertmanager.yml" <<CONF
        auth_username: "$MAIL_USERNAME"
        auth_password: "$MAIL_PASSWORD"
CONF
    fi
fi
amtool check-config "$run/alertmanager.yml"
base=${SETTING_BASE:-/}
unset MAIL_PASSWORD

child= ending=
# The server runs as a child, so that its files can be worked on without ending the container.
trap 'ending=1; [ -z "$child" ] || kill -TERM "$child"' TERM INT
while [ -z "$ending" ]; do
    # One server: there is nobody to gossip with.
    prometheus-alertmanager --config.file="$run/alertmanager.yml" --storage.path="$data/alerts" \
        --web.listen-address="0.0.0.0:${ALERTMANAGER_PORT:-9093}" --web.route-prefix="$base" \
        --web.external-url="http://localhost:9093$base" --cluster.listen-address= &
    child=$!
    echo "$child" > "$run/child"
    code=0
    # A signal ends the waiting, not the server.
    while kill -0 "$child" 2>/dev/null; do code=0; wait "$child" || code=$?; done
    [ -z "$ending" ] || exit 0
    # It ended by itself, unless a backup or restore is under way that lives.
    holder=$(cat "$run/hold" 2>/dev/null) || exit "$code"
    while [ -e "$run/hold" ] && kill -0 "$holder" 2>/dev/null && [ -z "$ending" ]; do sleep 0.2; done
    rm -f "$run/hold"
done
