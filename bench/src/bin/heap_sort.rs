//! Sorts records in place with a heap.
//! Usage: `heap_sort --size 512M [--seed N]`; the last line is `result=HEX seconds=S`.

use eos_bench::workload::HeapSort;

fn main() {
    eos_bench::program::main::<HeapSort>();
}
