#!/bin/sh
# Whether the server answers.
export WIRE_HOST=127.0.0.1 WIRE_PORT=11211
exec /module/probe.sh
