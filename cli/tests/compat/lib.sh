# Shared by the scripts beside it; sourced, not run. RUN is what goes in front of the program: nothing for a native run, or
# `eos-rdma run --local 2 --memory SIZE --`. FULL=1 asks for full sizes. The working folder is a new one.
set -euo pipefail
RUN=${RUN-}
export LC_ALL=C
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# size EVERYDAY FULL
size() { if [ "${FULL-}" = 1 ]; then echo "$2"; else echo "$1"; fi; }

# text LINES: lines of a few words, the same every time
text() {
    awk -v n="$1" 'BEGIN { s = 1; for (i = 0; i < n; i++) { line = ""; for (j = 0; j < 6; j++) {
        s = (s * 69069 + 1) % 4294967296; line = line sprintf("%08x ", s) } print line } }'
}

# compile NAME FLAGS...: a C program of this folder
compile() { gcc -O2 -g -Wall -o "$1" "$here/$1.c" "${@:2}" -lm; }

# until_works COMMAND...: tries for at most a minute, while the server lives
until_works() {
    local deadline=$((SECONDS + 60))
    until "$@" >/dev/null 2>&1; do
        kill -0 "$server" 2>/dev/null || { echo "the server has ended; in vain: $*" >&2; return 1; }
        [ $SECONDS -lt $deadline ] || { echo "in vain: $*" >&2; return 1; }
        sleep 0.05
    done
}

# server COMMAND...: in the background, its output in server.log; ended by pid when the script ends
server() {
    # shellcheck disable=SC2086
    $RUN "$@" </dev/null >server.log 2>&1 &
    server=$!
    trap 'kill -9 $server 2>/dev/null || true' EXIT
}

# ended: waits for the server's end and prints its status
ended() {
    local status=0
    wait "$server" || status=$?
    trap - EXIT
    echo "server ended with $status"
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
