#!/usr/bin/env bash
# memcached with four threads and eight clients at once, every answer checked.
# needs: memcached python3
# memory: 8M 64M
. "$(dirname "$0")/lib.sh"
server memcached -s "$PWD/socket" -t 4 -m 64 -u "$(id -un)"
until_works test -S socket
python3 "$here/memcached_load.py" socket 8 "$(size 500 20000)"
kill -TERM $server
ended
