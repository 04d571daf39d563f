#!/usr/bin/env bash
# nginx as one process serves files on loopback.
# needs: nginx python3
# memory: 2M 8M
MASTER='master_process off;' . "$(dirname "$0")/nginx.sh"
