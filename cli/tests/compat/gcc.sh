#!/usr/bin/env bash
# gcc compiles and links a large generated C file; the program runs. The driver starts cc1, as and ld.
# needs: gcc awk
# memory: 16M 128M
. "$(dirname "$0")/lib.sh"
awk -v n="$(size 300 20000)" 'BEGIN {
    for (i = 0; i < n; i++) printf "static unsigned f%d(unsigned x) { for (int i = 0; i < %d; i++) x = x * %uu + (x >> %d); return x; }\n", i, i % 17 + 1, i * 2 + 1, i % 13 + 1
    print "#include <stdio.h>\nint main(void) { unsigned s = 1;"
    for (i = 0; i < n; i++) printf "s ^= f%d(s);\n", i
    print "printf(\"%u\\n\", s); return 0; }" }' >big.c
$RUN gcc -O1 -o big big.c
./big
