#!/usr/bin/env bash
# PostgreSQL: initdb, a server with its helper processes, concurrent clients, a checkpoint, a restart.
# needs: postgresql setpriv
# memory: 16M 256M
. "$(dirname "$0")/lib.sh"
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
as=()
if [ "$(id -u)" = 0 ]; then # it refuses to be root
    as=(setpriv --reuid 65534 --regid 65534 --clear-groups)
    chmod 755 . && mkdir data && chown 65534:65534 data
    [ -z "$RUN" ] || { cp "${RUN%% *}" eos-rdma && RUN="$PWD/eos-rdma ${RUN#* }"; } # where any user may run it
else
    mkdir data
fi
chmod 700 data
export HOME=$PWD/data PGHOST=$PWD/data/db PGUSER=tester PGDATABASE=postgres
"${as[@]}" "$bin/initdb" -D data/db -U tester --no-sync -A trust >/dev/null
start() {
    # shellcheck disable=SC2086
    "${as[@]}" $RUN "$bin/postgres" -D data/db -k "$PWD/data/db" -c listen_addresses= -c shared_buffers=16MB -c fsync=off >>server.log 2>&1 &
    server=$!
    trap 'kill -INT $server 2>/dev/null || true' EXIT
    until_works "$bin/psql" -c 'select 1'
}
psql() { "$bin/psql" -qAt "$@"; }
start
psql -c "create table t as select i, md5(i::text) as h from generate_series(1, $(size 50000 2000000)) i" -c 'create index on t(h)'
for client in 1 2 3; do
    psql -c "update t set h = h || '$client' where i % 10 = $client" &
    clients+=($!)
done
wait "${clients[@]}"
psql -c checkpoint -c 'select count(*), sum(length(h)), min(h), max(h) from t' -c "select i from t where h like 'abc%' order by h limit 5"
kill -INT $server
ended
start
psql -c 'select count(*), sum(length(h)) from t'
kill -INT $server
ended
