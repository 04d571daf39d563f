#!/usr/bin/env bash
# A Go program: goroutines, channels, maps, the garbage collector, timers.
# needs: go
# memory: 8M 64M
. "$(dirname "$0")/lib.sh"
export HOME=$PWD GOCACHE=$PWD/cache GOFLAGS=-mod=mod GO111MODULE=off
go build -o program "$here/program.go"
$RUN ./program "$(size 1 10)"
