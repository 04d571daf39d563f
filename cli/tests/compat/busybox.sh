#!/usr/bin/env bash
# busybox, one static program: a shell with its own sort, gzip, awk, find, tar, background jobs.
# needs: busybox
# memory: 1M 4M
. "$(dirname "$0")/lib.sh"
text "$(size 4000 100000)" >text
cat >script <<'END'
sort -r text | tail -n 1
gzip -c text | gunzip -c | cksum
awk '{ n += length($1) } END { print n, NR }' text
mkdir folder; for i in 1 2 3 4 5; do head -n $i text >folder/$i; done
tar cf - folder | tar tf - | sort
find folder -type f | sort | xargs cat | wc -l
(sleep 0.1; echo later) & (exit 4) || echo "status $?"; wait
sed -n 's/^\(.\).*/\1/p' text | sort | uniq -c | head -n 3
END
$RUN busybox sh script
