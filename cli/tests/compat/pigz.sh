#!/usr/bin/env bash
# pigz with four threads.
# needs: pigz gzip awk
# memory: 1M 4M
. "$(dirname "$0")/lib.sh"
text "$(size 150000 2000000)" >text
$RUN pigz -p 4 -n -c text >packed
cksum <packed
gzip -dc packed | cmp - text && echo same
$RUN pigz -dc packed | cksum
