# Two nodes on this machine, each with a soft-RoCE device; sourced by jobs. Where rxe works in network namespaces (7.x kernels) each node is a
# namespace with one end of a cable; before, both nodes are this very namespace with one device, and packets loop back.
#
#   net_up            makes them; net_down takes them away, and runs at the end of the job
#   at N COMMAND...   runs a command at node N (0 or 1)
#   address N         IPv4 address of node N
#   device N          RDMA device of node N
#   listens N PORT    whether somebody at node N does
#   spawn N COMMAND...  starts one in the background; its pid is in $spawned. What still runs is killed at the end
#   deaf WORDS...     node 1 drops what the words of tc-u32 match (`deaf` alone: none any more). Fails without namespaces
#   lossy OPTIONS...  tc netem on both ends of the cable, as `lossy loss 1%`; none takes it away. Fails without namespaces

NET_PREFIX=eosrxe
NET_PIDS=()

# Older kernels have one socket for all namespaces, so that nothing arrives in the others. Seen: not with 6.12, with 7.2.
kernel=$(uname -r)
NET_PAIR=$((${kernel%%.*} >= 7))
namespaces() { [ "$NET_PAIR" = 1 ]; }

at() {
    local node=$1
    shift
    if namespaces; then ip netns exec "$NET_PREFIX$node" "$@"; else "$@"; fi
}
address() { if namespaces; then echo "10.77.1.$(($1 + 1))"; else echo 10.77.1.1; fi; }
interface() { if namespaces; then echo "$NET_PREFIX$1"; else echo "${NET_PREFIX}0"; fi; }
device() { echo "rxe_$(interface "$1")"; }

spawn() {
    local node=$1
    shift
    # Without a shell in between, so that the pid is the program's own (ip netns exec replaces itself).
    if namespaces; then ip netns exec "$NET_PREFIX$node" "$@" & else "$@" & fi
    spawned=$!
    NET_PIDS+=("$spawned")
}

# end PID: ends what spawn started
end() { kill "$1" 2>/dev/null || true; wait "$1" 2>/dev/null || true; }

# until_true SECONDS COMMAND...: waits for the command to succeed
until_true() {
    local limit=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $limit ] || { echo "not within the time limit: $*" >&2; return 1; }
        sleep 0.2
    done
}

# listens N PORT: whether somebody at node N does (tcp)
listens() { at "$1" ss -Hltn "sport = :$2" | grep -q .; }

# gid N: index of the RoCE v2 entry that holds node N's IPv4 address
gid() {
    local hex folder index bytes
    IFS=. read -ra bytes <<<"$(address "$1")"
    hex=$(printf '%02x%02x:%02x%02x' "${bytes[@]}")
    folder=/sys/class/infiniband/$(device "$1")/ports/1
    for index in $(seq 0 15); do
        grep -q ":ffff:$hex" "$folder/gids/$index" 2>/dev/null &&
            grep -q v2 "$folder/gid_attrs/types/$index" 2>/dev/null && { echo "$index"; return; }
    done
    return 1
}

cable() {
    if namespaces; then
        ip netns add "${NET_PREFIX}0"
        ip netns add "${NET_PREFIX}1"
        ip -n "${NET_PREFIX}0" link add "$(interface 0)" mtu 4300 type veth peer name "$(interface 1)" mtu 4300 netns "${NET_PREFIX}1"
    else
        ip link add "$(interface 0)" mtu 4300 type veth peer name "${NET_PREFIX}end" mtu 4300
        ip link set "${NET_PREFIX}end" up
    fi
}

net_up() {
    trap net_down EXIT
    local node nodes=(0)
    ! namespaces || nodes=(0 1)
    cable
    for node in "${nodes[@]}"; do
        at "$node" ip link set lo up
        at "$node" ip link set "$(interface "$node")" up
        at "$node" ip address add "$(address "$node")/24" dev "$(interface "$node")"
    done
    for node in "${nodes[@]}"; do
        at "$node" scripts/rxe-up "$(interface "$node")"
        until_true 20 gid "$node" >/dev/null
    done
}

net_down() {
    local pid node
    for pid in "${NET_PIDS[@]}"; do end "$pid"; done
    NET_PIDS=()
    # Devices first: one whose interface goes takes its time.
    for node in 0 1; do
        [ ! -e "/sys/class/infiniband/$(device $node)" ] || scripts/rxe-down "$(interface $node)" >/dev/null || true
    done
    if namespaces; then
        ip netns del "${NET_PREFIX}0" || true
        ip netns del "${NET_PREFIX}1" || true
    else
        ip link delete "$(interface 0)" || true
    fi
}

lossy() {
    local node
    namespaces || { echo "no cable to lose packets on" >&2; return 1; }
    for node in 0 1; do
        at "$node" tc qdisc del dev "$(interface "$node")" root 2>/dev/null || true
        [ "$*" = none ] || at "$node" tc qdisc add dev "$(interface "$node")" root netem "$@"
    done
}

deaf() {
    namespaces || { echo "no cable to drop packets from" >&2; return 1; }
    at 1 tc qdisc del dev "$(interface 1)" ingress 2>/dev/null || true
    [ $# -gt 0 ] || return 0
    at 1 tc qdisc add dev "$(interface 1)" ingress
    at 1 tc filter add dev "$(interface 1)" parent ffff: protocol ip u32 "$@" action drop
}
