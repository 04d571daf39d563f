# A daemon at node 1 and runs at node 0, compared with native ones; sourced by jobs after net.sh.
#
#   serve_up          starts the daemon, whose pid is then in $daemon
#   stretched OPTIONS... PROGRAM -- ARGUMENTS...   runs a program over both nodes; output, errors and status are in $work/out, $work/err, $status
#   check NAME COMMAND...    one line about one case; goes on after a failure
#   same OPTIONS... PROGRAM -- ARGUMENTS...        a case: a stretched run does what a native one does
#   long_run          a run that is still under way when something happens to it
#   worker            pid of the worker of the run that is going on
#   under_way BYTES COMMAND...   starts a command at node 0 in the background, its pid is then in $run, and waits until so much went over the wire
#   finish            ends the job, with an error if a case failed

TRANSPORT=${TRANSPORT:-rdma}
EOS=$PWD/target/release/eos-rdma
FIXTURES=$PWD/target/fixtures
PORT=7471
# No run takes so long, even when emulated.
RUN_LIMIT=${RUN_LIMIT:-300}
work=$(mktemp -d)
failures=0

serve_up() {
    [ -e "$work/key" ] || "$EOS" key new "$work/key" >/dev/null
    echo "$(address 1):$PORT" >"$work/hosts"
    spawn 1 "$EOS" serve --listen "$(address 1):$PORT" --memory 64M --key "$work/key" >>"$work/daemon" 2>&1
    daemon=$spawned
    until_true 30 listens 1 $PORT
}

stretched() {
    status=0
    at 0 timeout -k 5 "$RUN_LIMIT" "$EOS" run --transport "$TRANSPORT" --peers "$work/hosts" --key "$work/key" --stats-json "$work/json" \
        "$@" >"$work/out" 2>"$work/err" || status=$?
}

# Without the seconds that the workloads print.
answer() { sed -E 's/ seconds=[0-9.]+$//' "$1"; }

# number NAME: the first value of that name in the statistics
number() { sed -nE "s/^ *\"$1\": ([0-9.]+),?$/\1/p" "$work/json" | head -n 1; }

same() {
    local words=("$@") i=0 native=0
    while [ "${words[i]}" != -- ]; do i=$((i + 1)); done
    "${words[i - 1]}" "${words[@]:i + 1}" >"$work/native" 2>/dev/null || native=$?
    rm -f "$work/json"
    stretched "$@"
    [ "$status" = "$native" ] || { echo "status $status, natively $native"; tail -n 5 "$work/err"; return 1; }
    cmp <(answer "$work/native") <(answer "$work/out") || return 1
    # Pages have moved, and by the transport that is tested.
    grep -q "\"transport\": \"$TRANSPORT\"" "$work/json" || { echo "not over $TRANSPORT"; return 1; }
    [ "$(number pulls)$(number pushes)" != 00 ] || { echo "nothing moved"; return 1; }
}

# More than any test waits for; leaves its status in a file, since it runs in the background.
long_run() {
    stretched --memory 1M "$PWD/target/release/heap_sort" -- --size 32M
    echo "$status" >"$work/status"
}

worker() { ps -o pid= --ppid "$daemon" | head -n 1 | tr -d ' '; }

# Bytes that went over the wire, roughly: packets of one namespace to itself are counted as pages.
traffic() {
    if namespaces; then
        at 0 cat "/sys/class/net/$(interface 0)/statistics/tx_bytes"
    else
        echo $(($(cat /sys/class/net/lo/statistics/tx_bytes) +
            $(cat "/sys/class/infiniband/$(device 0)/ports/1/hw_counters/rcvd_pkts") * 4096))
    fi
}

sent_since() { [ $(($(traffic) - $1)) -gt "$2" ]; }

under_way() {
    local before bytes=$1
    before=$(traffic)
    shift
    "$@" &
    run=$!
    until_true 60 sent_since "$before" "$bytes"
    kill -0 "$run" || { echo "the run was over too soon"; return 1; }
}

check() {
    local name=$1 start=$SECONDS output
    shift
    if output=$("$@" 2>&1); then
        printf '   passed  %-44s %3d s\n' "$name" $((SECONDS - start))
    else
        printf '   FAILED  %-44s %3d s\n%s\n' "$name" $((SECONDS - start)) "$output"
        failures=$((failures + 1))
    fi
}

finish() {
    [ "$failures" = 0 ] || { echo "the daemon's log:"; tail -n 20 "$work/daemon"; }
    kill -0 "$daemon" || { echo "the daemon has died"; failures=$((failures + 1)); }
    rm -rf "$work"
    [ "$failures" = 0 ] || { echo "$failures failed"; exit 1; }
}
