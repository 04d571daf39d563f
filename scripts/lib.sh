# Shared by the scripts beside it; sourced, not run. Leaves the working folder at the root of the repository.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p target

BIN=$PWD/target/release
WORKLOADS=(linear_search dfs dijkstra heap_sort block_sort count_sort)

say() { printf '\n== %s\n' "$*"; }

# An error names the script that met it.
die() { echo "$(basename "$0"): $*" >&2; exit 1; }

build() { cargo build --release --workspace --bins --quiet || die "the build failed; scripts/setup installs what it needs"; }

# field NAME LINE: the value behind NAME= in a line such as result=HEX seconds=S
field() { tr ' ' '\n' <<<"$2" | sed -n "s/^$1=//p"; }

# median NUMBER...
median() { printf '%s\n' "$@" | sort -g | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

# ratio A B: A / B with two digits
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f\n", a / b }'; }
