#!/bin/sh
# Whether the server answers; while it reads its data from disk it says LOADING instead.
set -eu
export REDISCLI_AUTH="$REDIS_ADMIN_PASSWORD"
answer=$(redis-cli -h 127.0.0.1 --user admin --no-auth-warning ping)
[ "$answer" = PONG ]
