#!/bin/sh
# Tries a wire once over the network: mounts the folder and lists it.
set -eu
: "${WIRE_HOST:?}" "${WIRE_PORT:?}" "${WIRE_PATH:?}"
# There is no portmapper, and no list of exports to walk through.
options="version=3&nfsport=$WIRE_PORT&mountport=$WIRE_PORT&auto-traverse-mounts=0"
answer=$(timeout 10 nfs-ls "nfs://$WIRE_HOST$WIRE_PATH?$options" 2>&1 >/dev/null) \
    || { echo "not yet: ${answer:-no answer from $WIRE_HOST:$WIRE_PORT}" >&2; exit 1; }
