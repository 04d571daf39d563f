#!/usr/bin/env bash
# make -j2 of a small generated project, with a shell in each rule.
# needs: make gcc
# memory: 4M 16M
. "$(dirname "$0")/lib.sh"
files=$(size 6 60)
for i in $(seq "$files"); do echo "int f$i(int x) { return x * $i + 1; }" >"f$i.c"; done
{
    for i in $(seq "$files"); do echo "int f$i(int);"; done
    echo '#include <stdio.h>'; echo 'int main(void) { int s = 1;'
    for i in $(seq "$files"); do echo "s += f$i(s);"; done
    echo 'printf("%d\n", s); return 0; }'
} >main.c
printf 'objects := $(patsubst %%.c,%%.o,$(wildcard *.c))\nprogram: $(objects)\n\t@gcc -o $@ $^ && echo linked | tr a-z A-Z\n%%.o: %%.c\n\t@gcc -O1 -c $<\n' >Makefile
$RUN make -j2
./program
$RUN make -j2
