#!/usr/bin/env bash
# tar, find with xargs and rsync: a folder with links, holes and times is packed, copied, compared and brought up to date.
# needs: tar rsync find xargs
# memory: 2M 8M
. "$(dirname "$0")/lib.sh"
mkdir -p from/deep/er
for i in $(seq "$(size 40 400)"); do seq "$((i * 50))" >"from/deep/$i"; done
ln from/deep/1 from/hard && ln -s deep/2 from/soft && truncate -s 1M from/deep/er/hole && printf x >>from/deep/er/hole
touch -d '2001-02-03 04:05:06 UTC' from/deep/er/hole
$RUN tar --sparse -cf packed.tar from
mkdir unpacked && $RUN tar -xf packed.tar -C unpacked
diff -r from unpacked/from && stat -c '%Y %s' unpacked/from/deep/er/hole && stat -c '%h %s' unpacked/from/hard
$RUN rsync -aH from/ to && diff -r from to && echo copied
echo changed >from/deep/3 && rm from/deep/4
$RUN rsync -aHi --delete from/ to | grep -c '^[>*]' && diff -r from to && echo "up to date"
$RUN find to -type f -name '1*' | sort | $RUN xargs -n 5 -P 2 cat | sort | cksum
$RUN find to -newermt 2001-01-01 ! -newermt 2002-01-01 -type f
