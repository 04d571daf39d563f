//! Finds the shortest paths through a road network.
//! Usage: `dijkstra --size 512M [--seed N]`; the last line is `result=HEX seconds=S`.

use eos_bench::workload::Dijkstra;

fn main() {
    eos_bench::program::main::<Dijkstra>();
}
