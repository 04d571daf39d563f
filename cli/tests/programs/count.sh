#!/bin/sh
# Builtins of the shell only: no process is started.
sum=0 line=
while read -r line rest; do
    case $line in
    *a?) sum=$((sum * 33 % 1000003 + ${#rest})) ;;
    *) sum=$((sum + 1)) ;;
    esac
done
printf '%s says %d of %s\n' "${0##*/}" "$sum" "$*"
exit 3
