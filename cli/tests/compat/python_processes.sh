#!/usr/bin/env bash
# python3: subprocess, multiprocessing with a pool and a queue, os.fork.
# needs: /usr/bin/python3
# memory: 8M 64M
. "$(dirname "$0")/lib.sh"
$RUN /usr/bin/python3 "$here/processes.py" "$(size 1 10)"
