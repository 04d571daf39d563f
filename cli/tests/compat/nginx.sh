#!/usr/bin/env bash
# nginx with a master and two workers serves files on loopback.
# needs: nginx python3
# memory: 2M 8M
. "$(dirname "$0")/lib.sh"
port=$(free_port)
text "$(size 20000 1000000)" >text
echo hello >small
chmod 755 . && chmod 644 text small
user=
[ "$(id -u)" = 0 ] && user='user root;'
echo "$user daemon off; ${MASTER-worker_processes 2;} pid $PWD/pid; error_log $PWD/error.log; events { worker_connections 64; }
http { access_log off; client_body_temp_path $PWD/b; proxy_temp_path $PWD/p; fastcgi_temp_path $PWD/f; uwsgi_temp_path $PWD/u;
    scgi_temp_path $PWD/s; server { listen 127.0.0.1:$port; root $PWD; gzip on; gzip_types *; } }" >conf
server "$(PATH=$PATH:/usr/sbin type -P nginx)" -e "$PWD/error.log" -c "$PWD/conf"
get() { python3 "$here/get.py" "http://127.0.0.1:$port/$1" "${@:2}"; }
until_works get small
get small | cksum
for i in 1 2 3; do get text | cksum; done
get text gzip | gzip -dc | cksum
get none || echo "status $?"
kill -QUIT "$(cat pid)"
ended
