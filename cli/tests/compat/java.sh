#!/usr/bin/env bash
# OpenJDK: compiled code, threads, the garbage collector, a thread pool.
# needs: java javac
# memory: 32M 128M
. "$(dirname "$0")/lib.sh"
javac -d . "$here/Program.java"
$RUN java -Xmx96m -XX:ParallelGCThreads=2 -cp . Program "$(size 1 10)"
