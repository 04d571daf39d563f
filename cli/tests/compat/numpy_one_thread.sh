#!/usr/bin/env bash
# numpy with one thread.
# needs: /usr/bin/python3 numpy
# memory: 16M 128M
THREADS=1 . "$(dirname "$0")/numpy.sh"
