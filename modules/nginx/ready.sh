#!/bin/bash
# Whether the server answers, whatever it says.
exec 3<>"/dev/tcp/127.0.0.1/${NGINX_PORT:-8080}" || exit 1
printf 'HEAD / HTTP/1.0\r\nHost: localhost\r\nUser-Agent: ready\r\n\r\n' >&3
IFS= read -r -t 5 line <&3 && case $line in "HTTP/1."*) exit 0 ;; *) exit 1 ;; esac
