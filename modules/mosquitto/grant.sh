#!/bin/sh
# One login per wire. Harmless to repeat.
#
#   grant    create or bring up to date   (WIRE_USERNAME, WIRE_PASSWORD)
#   rotate   add a second login WIRE_NEXT_USERNAME with WIRE_NEXT_PASSWORD and the same rights
#   revoke   take the login WIRE_USERNAME away and end its connections; retained messages stay
#
# Speaks to the broker's own control topic at WIRE_HOST:WIRE_PORT as admin, with
# MOSQUITTO_ADMIN_PASSWORD.
set -eu
: "${WIRE_HOST:?}" "${WIRE_PORT:?}" "${WIRE_USERNAME:?}" "${MOSQUITTO_ADMIN_PASSWORD:?}"
umask 077
XDG_CONFIG_HOME=$(mktemp -d)
export XDG_CONFIG_HOME
trap 'rm -rf "$XDG_CONFIG_HOME"' EXIT

# Options, and with them the message, come from a file: command lines can be read by others.
# Sends one command; keeps the answer, and fails unless it was carried out. Names and passwords are
# letters, digits, _ and -, so JSON needs no quoting. All that manage logins hear all answers: ours
# carries our mark.
send() { # command fields
    mark=$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')
    cat > "$XDG_CONFIG_HOME/mosquitto_rr" <<OPTIONS
-h $WIRE_HOST
-p $WIRE_PORT
-u admin
-P $MOSQUITTO_ADMIN_PASSWORD
-t \$CONTROL/dynamic-security/v1
-e \$CONTROL/dynamic-security/v1/response
-q 1
-W 10
-m {"commands":[{"command":"$1",$2"correlationData":"$mark"}]}
OPTIONS
    answer=$(mosquitto_rr 2>&1) || return 1
    case $answer in *"$mark"*) ;; *) return 1 ;; esac
    case $answer in *'"error"'*) return 2 ;; esac
}

# The broker may still be starting: that is no failure for a minute.
tries=0
until send listRoles ''; do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || { echo "no broker at $WIRE_HOST:$WIRE_PORT for 60 s: $answer" >&2; exit 1; }
    sleep 1
done

# An answer that was meant for another is no answer: the command is sent again. What was done the
# first time already is fine.
carry_out() { # command fields what-is-fine
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        code=0
        send "$1" "$2" || code=$?
        case $code:$answer in 0:*|2:*"$3"*) return 0 ;; 2:*) break ;; esac
        sleep 0.5
    done
    echo "$1: $answer" >&2
    exit 1
}
login() {
    carry_out createClient "\"username\":\"$1\",\"roles\":[{\"rolename\":\"wire\"}]," 'already exists'
    carry_out setClientPassword "\"username\":\"$1\",\"password\":\"$2\"," 'none'
}

case "${1:-grant}" in
grant)
    : "${WIRE_PASSWORD:?}"
    login "$WIRE_USERNAME" "$WIRE_PASSWORD"
    echo "login $WIRE_USERNAME may use every topic"
    ;;
rotate)
    : "${WIRE_NEXT_USERNAME:?}" "${WIRE_NEXT_PASSWORD:?}"
    login "$WIRE_NEXT_USERNAME" "$WIRE_NEXT_PASSWORD"
    echo "login $WIRE_NEXT_USERNAME works beside $WIRE_USERNAME"
    ;;
revoke)
    carry_out deleteClient "\"username\":\"$WIRE_USERNAME\"," 'not found'
    echo "login $WIRE_USERNAME is gone; retained messages stay"
    ;;
*)
    echo "usage: grant.sh grant|rotate|revoke" >&2
    exit 2
    ;;
esac
