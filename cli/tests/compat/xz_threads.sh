#!/usr/bin/env bash
# xz -T2, there and back.
# needs: xz awk
# memory: 16M 128M
. "$(dirname "$0")/lib.sh"
text "$(size 80000 1000000)" >text
$RUN xz -T2 "-$(size 1 6)" --block-size=1MiB -c text >packed
cksum <packed
$RUN xz -T2 -dc packed | cmp - text && echo same
