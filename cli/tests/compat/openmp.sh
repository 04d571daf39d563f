#!/usr/bin/env bash
# An OpenMP program: sieve, matrix product, reductions, tasks.
# needs: gcc
# memory: 4M 64M
. "$(dirname "$0")/lib.sh"
compile openmp -fopenmp
OMP_NUM_THREADS=4 $RUN ./openmp "$(size 1 8)"
