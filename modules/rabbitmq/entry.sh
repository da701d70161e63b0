#!/bin/sh
# Starts the broker. Reads RABBITMQ_ADMIN_PASSWORD, RABBITMQ_COOKIE, SETTING_MEMORY.
set -eu
: "${RABBITMQ_ADMIN_PASSWORD:?the admin password is not set}"
: "${RABBITMQ_COOKIE:?the cookie is not set}"
umask 077

# Where everything is kept. The tests of this script give other places.
home=${HOME:-/var/lib/rabbitmq}
: "${RABBITMQ_RUN:=/tmp/rabbitmq}"
mkdir -p "$RABBITMQ_RUN" "$home/mnesia"

# Erlang refuses a cookie that others can read, and a disk may come with other rights.
rm -f "$home/.erlang.cookie"
printf '%s' "$RABBITMQ_COOKIE" > "$home/.erlang.cookie"
chmod 0400 "$home/.erlang.cookie"

# Two thirds of the memory, in MiB. Units are those of Kubernetes.
watermark() {
    amount=${SETTING_MEMORY:-512Mi}
    number=$(printf '%s' "$amount" | tr -dc '0-9')
    case $amount in
        *Gi|*G) mib=$((number * 1024)) ;;
        *Mi|*M) mib=$number ;;
        *)      mib=512 ;;
    esac
    echo $((mib * 2 / 3))
}

# The admin's login follows its secret, which a restore may have brought back: it is made from this
# at every start.
rm -rf "$RABBITMQ_RUN/definitions"
mkdir -p "$RABBITMQ_RUN/definitions"
perl -MMIME::Base64 -MDigest::SHA=sha256 -e '
    my $salt = substr sha256($ENV{RABBITMQ_COOKIE} . "salt"), 0, 4;
    my $hash = encode_base64($salt . sha256($salt . $ENV{RABBITMQ_ADMIN_PASSWORD}), "");
    my $all = q("configure":".*","write":".*","read":".*");
    print qq({"users":[{"name":"admin","password_hash":"$hash",)
        . q("hashing_algorithm":"rabbit_password_hashing_sha256","tags":["administrator"]}],)
        . q("vhosts":[{"name":"shared"}],)
        . qq("permissions":[{"user":"admin","vhost":"shared",$all}]})
' > "$RABBITMQ_RUN/definitions/10-admin.json"
extend=/etc/rabbitmq/extend
[ ! -f "$extend/definitions.json" ] || cp "$extend/definitions.json" "$RABBITMQ_RUN/definitions/20-extend.json"

cat > "$RABBITMQ_RUN/rabbitmq.conf" <<CONF
listeners.tcp.default = ${RABBITMQ_PORT:-5672}
management.tcp.port = ${RABBITMQ_ADMIN_PORT:-15672}
management_agent.disable_metrics_collector = true
default_user = admin
default_pass = $RABBITMQ_ADMIN_PASSWORD
default_vhost = shared
loopback_users = none
vm_memory_high_watermark.absolute = $(watermark)MiB
disk_free_limit.absolute = 64MB
log.console = true
log.console.level = info
log.file = false
load_definitions = $RABBITMQ_RUN/definitions
CONF
# What the app adds comes last and so is what counts; the broker refuses what it does not know.
[ ! -f "$extend/config.conf" ] || cat "$extend/config.conf" >> "$RABBITMQ_RUN/rabbitmq.conf"
plugins=rabbitmq_management
[ ! -f "$extend/plugins" ] || plugins="$plugins $(tr ',\n' '  ' < "$extend/plugins")"
# shellcheck disable=SC2086
echo "[$(echo $plugins | tr ' ' ',')]." > "$RABBITMQ_RUN/enabled_plugins"

# The node is always rabbit@localhost: its data stays valid whatever the pod is called.
export RABBITMQ_NODENAME="${RABBITMQ_NODENAME:-rabbit@localhost}"
export RABBITMQ_CONFIG_FILE="$RABBITMQ_RUN/rabbitmq.conf"
export RABBITMQ_MNESIA_BASE="$home/mnesia"
export RABBITMQ_LOG_BASE="$RABBITMQ_RUN"
export RABBITMQ_PID_FILE="$RABBITMQ_RUN/rabbitmq.pid"
export RABBITMQ_GENERATED_CONFIG_DIR="$RABBITMQ_RUN/config"
export RABBITMQ_ENABLED_PLUGINS_FILE="$RABBITMQ_RUN/enabled_plugins"
# Erlang's own protocol is for this container alone, and idle schedulers sleep at once.
export ERL_EPMD_ADDRESS=127.0.0.1
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none"
# Erlang reserves memory for every descriptor it may open.
ulimit -n 65536 2>/dev/null || true
# The admin password is in the configuration; the broker's processes need not carry it as well.
unset RABBITMQ_ADMIN_PASSWORD RABBITMQ_COOKIE

exec /usr/lib/rabbitmq/bin/rabbitmq-server
