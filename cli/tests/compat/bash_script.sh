#!/usr/bin/env bash
# bash: pipelines, substitutions, traps, background jobs, here-documents, coprocesses.
# needs: bash awk sort
# memory: 1M 1M
. "$(dirname "$0")/lib.sh"
$RUN bash "$here/script_for_bash" "$(size 20 500)"
