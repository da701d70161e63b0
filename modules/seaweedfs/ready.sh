#!/bin/sh
# Whether the store answers and knows its keys: an unsigned request is refused, not unanswered.
set -eu
[ -e "${S3_RUN:-/tmp/seaweedfs}/ready" ]
[ "$(curl --silent --output /dev/null --max-time 3 --write-out '%{http_code}' "http://127.0.0.1:${S3_PORT:-8333}/")" = 403 ]
