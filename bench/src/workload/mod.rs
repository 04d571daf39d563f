//! The six programs of *ElasticOS* (Ababneh et al., 2018; table 2 there) as plain, single-threaded algorithms on plain `Vec`s.
//!
//! Each has the same three steps, so that a program can time the middle one alone:
//! generate the data from `(bytes, seed)`, run the main phase, add up the answer. The data does not compress, and the
//! answer depends on all of it: a page that comes back wrong shows.
//!
//! Sizes at 512 MiB are chosen for a main phase of 0.3 to 3 s with all memory local, since remote runs take 10 to 100
//! times that.

mod block_sort;
mod count_sort;
mod dfs;
mod dijkstra;
mod heap_sort;
mod linear_search;

pub use block_sort::BlockSort;
pub use count_sort::CountSort;
pub use dfs::Dfs;
pub use dijkstra::Dijkstra;
pub use heap_sort::{HeapSort, Record};
pub use linear_search::{LinearSearch, Search};

/// One program: its data and what it does with it.
pub trait Workload {
    /// Data of `bytes` bytes in all, every array of the main phase counted (within 2 %); the same for the same seed.
    fn generate(bytes: u64, seed: u64) -> Self;
    /// The main phase. Called once.
    fn run(&mut self);
    /// Checksum of the answer.
    fn checksum(&self) -> u64;
}
