#!/bin/sh
# Starts the server. Reads SETTING_MEMORY, SETTING_MAX_CONNECTIONS, SETTING_MAX_ITEM.
set -eu

# Four fifths of the memory, in MiB, at least 16. Units are those of Kubernetes.
mebibytes() {
    echo "${SETTING_MEMORY:-128Mi}" | awk '{
        number = $0 + 0; unit = $0; sub(/^[0-9.]+/, "", unit)
        factor["Ki"] = 1024; factor["Mi"] = 1048576; factor["Gi"] = 1073741824
        factor["k"] = 1000; factor["M"] = 1000000; factor["G"] = 1000000000; factor[""] = 1
        whole = number * factor[unit] / 1048576 * 4 / 5
        printf "%.0f\n", whole < 16 ? 16 : whole
    }'
}

exec memcached -l 0.0.0.0 -p "${MEMCACHED_PORT:-11211}" -U 0 \
    -m "$(mebibytes)" -c "${SETTING_MAX_CONNECTIONS:-1024}" -I "${SETTING_MAX_ITEM:-1m}"
