//! Sorts items by counting their keys.
//! Usage: `count_sort --size 512M [--seed N]`; the last line is `result=HEX seconds=S`.

use eos_bench::workload::CountSort;

fn main() {
    eos_bench::program::main::<CountSort>();
}
