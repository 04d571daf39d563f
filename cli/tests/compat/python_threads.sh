#!/usr/bin/env bash
# python3: threads with queues and locks, a thread pool, timers.
# needs: /usr/bin/python3
# memory: 6M 64M
. "$(dirname "$0")/lib.sh"
$RUN /usr/bin/python3 "$here/threads.py" "$(size 1 10)"
