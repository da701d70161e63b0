#!/bin/sh
# Starts the broker, and starts it again when restore.sh has put other data in place.
# Reads MOSQUITTO_ADMIN_PASSWORD, SETTING_MEMORY, SETTING_MAX_QUEUED, SETTING_MAX_MESSAGE.
set -eu
: "${MOSQUITTO_ADMIN_PASSWORD:?the admin password is not set}"
umask 077
data=${MOSQUITTO_DATA:-/var/lib/mosquitto}
run=${MOSQUITTO_RUN:-/tmp/mosquitto}
mkdir -p "$data" "$run"

# Three quarters of the memory, in bytes. Units are those of Kubernetes.
limit() {
    echo "${SETTING_MEMORY:-128Mi}" | awk '{
        number = $0 + 0; unit = $0; sub(/^[0-9.]+/, "", unit)
        factor["Ki"] = 1024; factor["Mi"] = 1048576; factor["Gi"] = 1073741824
        factor["k"] = 1000; factor["M"] = 1000000; factor["G"] = 1000000000; factor[""] = 1
        printf "%.0f\n", number * factor[unit] * 3 / 4
    }'
}

# The broker's own file of logins, with one that may only manage the others. Made anew if the admin's
# secret is another, as after a restore, which has the wires' logins made once more. mosquitto_passwd
# hashes the password without it being an argument: $7$ITERATIONS$SALT$HASH.
mark=$(printf 'mosquitto %s' "$MOSQUITTO_ADMIN_PASSWORD" | sha256sum)
if [ ! -s "$data/logins.json" ] || [ "$(cat "$data/logins.mark" 2>/dev/null)" != "$mark" ]; then
    printf 'admin:%s\n' "$MOSQUITTO_ADMIN_PASSWORD" > "$run/admin"
    mosquitto_passwd -U "$run/admin"
    IFS='$' read -r _ _ iterations salt hash < "$run/admin"
    rm -f "$run/admin"
    cat > "$data/logins.json.new" <<JSON
{
  "defaultACLAccess": {
    "publishClientSend": false, "publishClientReceive": true, "subscribe": false, "unsubscribe": true
  },
  "clients": [
    { "username": "admin", "roles": [{ "rolename": "admin" }],
      "password": "$hash", "salt": "$salt", "iterations": $iterations }
  ],
  "groups": [],
  "roles": [
    { "rolename": "admin", "acls": [
      { "acltype": "publishClientSend", "topic": "\$CONTROL/dynamic-security/#", "priority": 0, "allow": true },
      { "acltype": "publishClientReceive", "topic": "\$CONTROL/dynamic-security/#", "priority": 0, "allow": true },
      { "acltype": "subscribePattern", "topic": "\$CONTROL/dynamic-security/#", "priority": 0, "allow": true }
    ] },
    { "rolename": "wire", "acls": [
      { "acltype": "publishClientSend", "topic": "#", "priority": 0, "allow": true },
      { "acltype": "publishClientReceive", "topic": "#", "priority": 0, "allow": true },
      { "acltype": "publishClientReceive", "topic": "\$SYS/#", "priority": 0, "allow": true },
      { "acltype": "subscribePattern", "topic": "#", "priority": 0, "allow": true },
      { "acltype": "subscribePattern", "topic": "\$SYS/#", "priority": 0, "allow": true }
    ] }
  ]
}
JSON
    mv "$data/logins.json.new" "$data/logins.json"
    echo "$mark" > "$data/logins.mark"
fi

cat > "$run/mosquitto.conf" <<CONF
listener ${MOSQUITTO_PORT:-1883}
allow_anonymous false
per_listener_settings false
plugin /usr/lib/mosquitto_dynamic_security.so
plugin_opt_config_file $data/logins.json
persistence true
persistence_location $data/
autosave_interval 60
memory_limit $(limit)
max_queued_messages ${SETTING_MAX_QUEUED:-10000}
message_size_limit ${SETTING_MAX_MESSAGE:-1048576}
log_dest stdout
log_type error
log_type warning
log_type notice
log_type information
connection_messages false
CONF
# What the app adds comes last; the broker refuses what it does not know.
[ ! -f /etc/mosquitto/extend/config.conf ] || cat /etc/mosquitto/extend/config.conf >> "$run/mosquitto.conf"
# The broker's process need not carry the password.
unset MOSQUITTO_ADMIN_PASSWORD

child= ending=
# The broker runs as a child, so that restore.sh can end it without ending the container.
trap 'ending=1; [ -z "$child" ] || kill -TERM "$child"' TERM INT
while [ -z "$ending" ]; do
    mosquitto -c "$run/mosquitto.conf" &
    child=$!
    echo "$child" > "$run/pid"
    code=0
    # A signal ends the waiting, not the broker.
    while kill -0 "$child" 2>/dev/null; do code=0; wait "$child" || code=$?; done
    [ -z "$ending" ] || exit 0
    # It ended by itself, unless a restore is under way that lives.
    holder=$(cat "$run/hold" 2>/dev/null) || exit "$code"
    while [ -e "$run/hold" ] && kill -0 "$holder" 2>/dev/null && [ -z "$ending" ]; do sleep 0.2; done
    rm -f "$run/hold"
done
