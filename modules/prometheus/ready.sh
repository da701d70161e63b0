#!/bin/bash
# Whether the server has read what is on its disk and answers queries.
base=${SETTING_BASE:-/}
exec 3<>"/dev/tcp/127.0.0.1/${PROMETHEUS_PORT:-9090}" || exit 1
printf 'GET %s/-/ready HTTP/1.0\r\n\r\n' "${base%/}" >&3
IFS= read -r -t 5 line <&3 && case $line in "HTTP/1."?" 200"*) exit 0 ;; *) exit 1 ;; esac
