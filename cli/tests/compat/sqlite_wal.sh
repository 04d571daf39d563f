#!/usr/bin/env bash
# sqlite3 with a write-ahead log: inserts, updates, an index, a checkpoint, the integrity check.
# needs: sqlite3
# memory: 2M 32M
. "$(dirname "$0")/lib.sh"
rows=$(size 20000 1000000)
$RUN sqlite3 t.db "pragma journal_mode=wal; pragma mmap_size=1048576; create table t(a integer primary key, b text);
    with recursive c(x) as (select 1 union all select x + 1 from c where x < $rows)
        insert into t select x, printf('%08x', (x * 2654435761) % 4294967296) from c;
    create index i on t(b); update t set b = b || 'x' where a % 3 = 0; select count(*), sum(length(b)) from t;"
$RUN sqlite3 t.db "pragma wal_checkpoint(truncate); select a, b from t order by b desc limit 5; pragma integrity_check;"
sqlite3 t.db "select count(*), sum(length(b)) from t"
