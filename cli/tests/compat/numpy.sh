#!/usr/bin/env bash
# numpy with threads of its own (OpenBLAS): products, decompositions, sorting, in more memory than the budget.
# needs: /usr/bin/python3 numpy openblas
# memory: 16M 128M
. "$(dirname "$0")/lib.sh"
OPENBLAS_NUM_THREADS=${THREADS-4} $RUN /usr/bin/python3 "$here/arrays.py" "$(size 1 4)"
