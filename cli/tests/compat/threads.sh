#!/usr/bin/env bash
# Two pthread programs: a parallel merge sort and a parallel breadth-first search, with their answers checked.
# needs: gcc
# memory: 4M 64M
. "$(dirname "$0")/lib.sh"
compile merge_sort -pthread
compile bfs -pthread
$RUN ./merge_sort "$(size 1000000 32000000)" 4
$RUN ./bfs "$(size 200000 4000000)" 4
