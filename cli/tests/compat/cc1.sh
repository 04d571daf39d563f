#!/usr/bin/env bash
# The C compiler proper (cc1), one process with one thread, on a large generated file.
# needs: gcc awk
# memory: 16M 128M
. "$(dirname "$0")/lib.sh"
awk -v n="$(size 300 20000)" 'BEGIN { for (i = 0; i < n; i++)
    printf "unsigned f%d(unsigned x) { for (int i = 0; i < %d; i++) x = x * %uu + (x >> %d); return x; }\n", i, i % 17 + 1, i * 2 + 1, i % 13 + 1 }' >big.c
$RUN "$(gcc -print-prog-name=cc1)" -quiet -O2 big.c -o big.s
cksum <big.s
