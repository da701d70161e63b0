#!/bin/sh
# Writes the configuration and starts the server. Reads UPSTREAMS and UPSTREAMS_<NAME>_HOST,
# UPSTREAMS_<NAME>_PORT of its wires, SETTING_MAX_BODY, SETTING_TIMEOUT.
set -eu
umask 077
run=${NGINX_RUN:-/tmp/nginx}
extend=/etc/nginx/extend
mkdir -p "$run"

# Names are asked for again every few seconds: an upstream's address is not for ever.
resolver=$(awk '$1 == "nameserver" { print ($2 ~ /:/ ? "[" $2 "]" : $2); exit }' /etc/resolv.conf)
domain=$(awk '$1 == "search" { print $2; exit }' /etc/resolv.conf)
full() { case $1 in *.*) echo "$1" ;; *) echo "$1${domain:+.$domain}" ;; esac; }

upstreams=$(echo "${UPSTREAMS:-}" | tr ',' ' ')
pages=
[ -n "$(ls -A /srv/pages)" ] && pages=/srv/pages
[ -n "${FILES_PATH:-}" ] && pages=$FILES_PATH
address() { # name; gives host:port
    variable="UPSTREAMS_$(echo "$1" | tr 'a-z-' 'A-Z_')"
    eval "host=\${${variable}_HOST:?} port=\${${variable}_PORT:?}"
    echo "$(full "$host"):$port"
}
variable() { echo "\$upstream_$(echo "$1" | tr - _)"; }
location() { # path name rewrite
    cat <<CONF
        location $1 {
            $3
            proxy_pass http://$(variable "$2");
        }
CONF
}

{
    cat <<CONF
daemon off;
pid $run/nginx.pid;
error_log stderr notice;
worker_processes 2;
events { worker_connections 4096; }
http {
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    charset utf-8;
    access_log /dev/stdout combined;
    server_tokens off;
    client_body_temp_path $run/body;
    proxy_temp_path $run/proxy;
    fastcgi_temp_path $run/fastcgi;
    uwsgi_temp_path $run/uwsgi;
    scgi_temp_path $run/scgi;
    client_max_body_size ${SETTING_MAX_BODY:-1g};
    resolver $resolver valid=5s;
    map \$http_upgrade \$connection_upgrade { default upgrade; '' ''; }
    map \$http_x_forwarded_proto \$outer_scheme { default \$http_x_forwarded_proto; '' \$scheme; }
CONF
    [ ! -f "$extend/http.conf" ] || echo "    include $extend/http.conf;"
    cat <<CONF
    server {
        listen ${NGINX_PORT:-8080};
        absolute_redirect off;
        # Nothing is kept back: bodies of any size stream through, both ways.
        proxy_http_version 1.1;
        proxy_request_buffering off;
        proxy_buffering off;
        proxy_connect_timeout 2s;
        proxy_read_timeout ${SETTING_TIMEOUT:-60s};
        proxy_send_timeout ${SETTING_TIMEOUT:-60s};
        proxy_set_header Host \$http_host;
        proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto \$outer_scheme;
        proxy_set_header Upgrade \$http_upgrade;
        proxy_set_header Connection \$connection_upgrade;
CONF
    for name in $upstreams; do
        echo "        set $(variable "$name") $(address "$name");"
    done
    [ ! -f "$extend/server.conf" ] || echo "        include $extend/server.conf;"
    # shellcheck disable=SC2086
    set -- $upstreams
    if [ $# -eq 1 ] && [ -z "$pages" ]; then
        location / "$1" ""
    else
        cat <<CONF
        root ${pages:-/srv/pages};
        gzip on;
        gzip_types text/css application/javascript application/json image/svg+xml;
        location / { try_files \$uri \$uri.html \$uri/index.html =404; }
CONF
        [ ! -f "${pages:-/srv/pages}/404.html" ] || echo "        error_page 404 /404.html;"
        for name in "$@"; do
            location "/$name/" "$name" "rewrite ^/$name/(.*)\$ /\$1 break;"
        done
    fi
    echo "    }"
    echo "}"
} > "$run/nginx.conf"
exec nginx -e stderr -c "$run/nginx.conf"
