//! Searches an array for present and absent keys.
//! Usage: `linear_search --size 512M [--seed N]`; the last line is `result=HEX seconds=S`.

use eos_bench::workload::LinearSearch;

fn main() {
    eos_bench::program::main::<LinearSearch>();
}
