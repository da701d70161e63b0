#!/bin/sh
# Whether the broker answers its admin.
export WIRE_HOST=127.0.0.1 WIRE_PORT="${MOSQUITTO_PORT:-1883}" WIRE_USERNAME=admin
export WIRE_PASSWORD="$MOSQUITTO_ADMIN_PASSWORD"
exec /module/probe.sh
