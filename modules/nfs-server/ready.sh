#!/bin/sh
# Whether the server answers.
export WIRE_HOST=127.0.0.1 WIRE_PORT="${NFS_PORT:-2049}" WIRE_PATH=/
exec /module/probe.sh
