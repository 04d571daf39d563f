#!/usr/bin/env bash
# redis-server over a Unix socket: bulk load, redis-benchmark, BGSAVE (a fork), a restart from the file.
# needs: redis-server redis-cli redis-benchmark awk
# memory: 8M 128M
. "$(dirname "$0")/lib.sh"
keys=$(size 40000 1000000)
cli() { redis-cli -s "$PWD/socket" "$@"; }
server redis-server --port 0 --unixsocket "$PWD/socket" --dir "$PWD" --save '' --loglevel warning
until_works cli ping
awk -v n="$keys" 'BEGIN { for (i = 0; i < n; i++) printf "SET key:%d %064d\r\n", i, i * 7919 }' | cli --pipe | tail -n 1
for i in $(seq 500); do echo "RPUSH list $i"; echo "HSET hash f$i $((i * i))"; echo "ZADD set $i m$i"; done | cli >/dev/null
cli dbsize
cli get key:1234
cli lrange list 100 103
cli zrangebyscore set 42 44
redis-benchmark -s "$PWD/socket" -q -n "$(size 2000 100000)" -c 10 -t set,get,incr,lpush >/dev/null && echo benchmark done
cli del key:__rand_int__ counter:__rand_int__ mylist >/dev/null
cli bgsave
until_works sh -c "redis-cli -s '$PWD/socket' info persistence | grep -q rdb_bgsave_in_progress:0"
cli info persistence | grep -o 'rdb_last_bgsave_status:[a-z]*'
cli shutdown nosave || true
ended
rm -f socket
server redis-server --port 0 --unixsocket "$PWD/socket" --dir "$PWD" --save '' --loglevel warning
until_works cli dbsize
until_works sh -c "redis-cli -s '$PWD/socket' ping | grep -q PONG"
cli dbsize
cli get key:1234
cli shutdown nosave || true
ended
