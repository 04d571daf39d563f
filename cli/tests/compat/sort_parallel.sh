#!/usr/bin/env bash
# GNU sort with four threads.
# needs: sort awk
# memory: 4M 64M
. "$(dirname "$0")/lib.sh"
text "$(size 150000 4000000)" >text
$RUN sort --parallel=4 -S 12M text | cksum
$RUN sort --parallel=4 -k3 -r text | cksum
