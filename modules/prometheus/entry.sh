#!/bin/sh
# Starts the server, and starts it again when backup.sh or restore.sh are done with its files.
# Reads TARGETS and TARGETS_<NAME>_HOST, TARGETS_<NAME>_PORT of its wires, SETTING_SIZE,
# SETTING_MEMORY, SETTING_KEEP, SETTING_EVERY, SETTING_PATH, SETTING_BASE, SETTING_ALERTS_PATH; the
# same of ALERTS.
set -eu
umask 077
data=${PROMETHEUS_DATA:-/var/lib/prometheus}
run=${PROMETHEUS_RUN:-/tmp/prometheus}
mkdir -p "$data/metrics" "$run"

# A share of an amount, in bytes. Units are those of Kubernetes.
share() { # amount share
    echo "$1" | awk -v share="$2" '{
        number = $0 + 0; unit = $0; sub(/^[0-9.]+/, "", unit)
        factor["Ki"] = 1024; factor["Mi"] = 1048576; factor["Gi"] = 1073741824; factor["Ti"] = 1099511627776
        factor["k"] = 1000; factor["M"] = 1000000; factor["G"] = 1000000000; factor["T"] = 1000000000000
        factor[""] = 1
        printf "%.0f\n", number * factor[unit] * share
    }'
}

extend=/etc/prometheus/extend
base=${SETTING_BASE:-/}

# Sets host and port to those of a wire.
end() { # socket name
    variable="$1_$(echo "$2" | tr 'a-z-' 'A-Z_')"
    eval "host=\${${variable}_HOST:?} port=\${${variable}_PORT:?}"
}

{
    cat <<CONF
global:
  scrape_interval: ${SETTING_EVERY:-15s}
  scrape_timeout: ${SETTING_EVERY:-15s}
  evaluation_interval: ${SETTING_EVERY:-15s}
rule_files: ["$extend/rules/*.yml"]
CONF
    if [ -n "${ALERTS:-}" ]; then
        printf 'alerting:\n  alertmanagers:\n'
        for name in $(echo "$ALERTS" | tr ',' ' '); do
            end ALERTS "$name"
            printf '    - path_prefix: "%s"\n' "${SETTING_ALERTS_PATH:-/}"
            printf '      static_configs: [{ targets: ["%s:%s"] }]\n' "$host" "$port"
        done
    fi
    cat <<CONF
scrape_configs:
  - job_name: prometheus
    metrics_path: ${base%/}/metrics
    static_configs:
      - targets: ["127.0.0.1:${PROMETHEUS_PORT:-9090}"]
CONF
    # One job per wire, by the name of the block at its other end.
    for name in $(echo "${TARGETS:-}" | tr ',' ' '); do
        end TARGETS "$name"
        cat <<CONF
  - job_name: $name
    metrics_path: ${SETTING_PATH:-/metrics}
    static_configs:
      - targets: ["$host:$port"]
CONF
    done
    [ ! -f "$extend/scrape.yml" ] || sed 's/^/  /' "$extend/scrape.yml"
} > "$run/prometheus.yml"
promtool check config "$run/prometheus.yml"

# The garbage collector works harder before the container's limit is reached.
GOMEMLIMIT=$(share "${SETTING_MEMORY:-512Mi}" 0.8)
export GOMEMLIMIT

child= ending=
# The server runs as a child, so that its files can be worked on without ending the container.
trap 'ending=1; [ -z "$child" ] || kill -TERM "$child"' TERM INT
while [ -z "$ending" ]; do
    prometheus --config.file="$run/prometheus.yml" \
        --web.listen-address="0.0.0.0:${PROMETHEUS_PORT:-9090}" \
        --web.route-prefix="$base" --web.external-url="http://localhost:9090$base" \
        --storage.tsdb.path="$data/metrics" \
        --storage.tsdb.retention.time="${SETTING_KEEP:-15d}" \
        --storage.tsdb.retention.size="$(share "${SETTING_SIZE:-8Gi}" 0.8)B" &
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
