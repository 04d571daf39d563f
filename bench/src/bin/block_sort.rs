//! Sorts blocks, then merges them.
//! Usage: `block_sort --size 512M [--seed N]`; the last line is `result=HEX seconds=S`.

use eos_bench::workload::BlockSort;

fn main() {
    eos_bench::program::main::<BlockSort>();
}
