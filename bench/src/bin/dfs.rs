//! Walks a graph depth first.
//! Usage: `dfs --size 512M [--seed N]`; the last line is `result=HEX seconds=S`.

use eos_bench::workload::Dfs;

fn main() {
    eos_bench::program::main::<Dfs>();
}
