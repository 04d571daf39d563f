//! Goes back and forth between memory that has long been left alone and memory that was used last: what a jump costs that
//! tells of few pages.
//!
//! Knows nothing of the runtime. Under `eos-rdma run --jump 1` with a budget of a little more than half of `--size`, the pages
//! of the first half are elsewhere when it begins, those of the second half at home; each round reads two of one and two of the
//! other, so that execution follows. No page is read twice, and no two distances are alike. Prints `rounds=N sum=HEX`; the sum
//! proves that the contents were right.

use std::hint::black_box;

use clap::Parser;
use eos_bench::program::parse_size;
use eos_bench::random::SplitMix64;

const PAGE_WORDS: usize = 4096 / 8;
/// Reads of a half in a round: a fresh arrival pulls its first page, and the second takes it away.
const READS: usize = 2;
/// An odd number that scatters triangular numbers.
const SCATTER: usize = 37;

#[derive(Parser, Debug)]
#[command(version)]
struct Options {
    /// Memory that is filled, a power of two, as 32M
    #[arg(long, value_parser = parse_size, default_value = "32M")]
    size: u64,
    /// Rounds of two reads of each half
    #[arg(long, default_value_t = 600)]
    rounds: usize,
    /// Seed of the contents
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// The first word of another page for each `step`: triangular numbers modulo a power of two meet all pages once.
fn word(half: &[u64], step: usize) -> u64 {
    let page = step * (step + 1) / 2 * SCATTER % (half.len() / PAGE_WORDS);
    black_box(half[page * PAGE_WORDS])
}

fn main() {
    let options = Options::parse();
    let half_words = (options.size as usize / 2).next_power_of_two().max(4096) / 8;
    let mut random = SplitMix64::new(options.seed, 0);
    let mut half = || (0..half_words).map(|_| random.next_u64()).collect::<Vec<u64>>();
    let (left_alone, used_last) = (half(), half());
    let mut sum = 0u64;
    for step in (0..options.rounds * READS).step_by(READS) {
        for half in [&left_alone, &used_last] {
            for read in step..step + READS {
                sum = sum.wrapping_add(word(half, read)).rotate_left(1);
            }
        }
    }
    println!("rounds={} sum={sum:016x}", options.rounds);
}
