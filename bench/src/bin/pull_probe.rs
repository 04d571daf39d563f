//! Fills memory, then reads one word of each page: what a page that has to come back costs.
//!
//! Knows nothing of the runtime; under `eos-rdma run` with a budget below `--size` the reads are pulls. Reads never dirty
//! a page. Prints `us_per_page=MEAN us_fault_p50=US us_fault_p99=US faults=N pages=N sum=HEX`. A read that took more than
//! half a microsecond counts as a fault; the sum proves that the contents came back.

use std::hint::black_box;

use clap::{Parser, ValueEnum};
use eos_bench::micro::sample::Samples;
use eos_bench::micro::tsc::Ticks;
use eos_bench::program::parse_size;
use eos_bench::random::SplitMix64;

const PAGE_WORDS: usize = 4096 / 8;
/// A read of a page that is here takes less, even when it misses every cache.
const FAULT_US_MIN: f64 = 0.5;

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Order {
    /// Ascending addresses, where neighbours may come along
    Sequential,
    /// Every page once, shuffled
    Random,
}

#[derive(Parser, Debug)]
#[command(version)]
struct Options {
    /// Memory that is filled and read, as 128M
    #[arg(long, value_parser = parse_size, default_value = "128M")]
    size: u64,
    /// Order of the reads
    #[arg(long, value_enum, default_value = "random")]
    order: Order,
    /// Reads of each page
    #[arg(long, default_value_t = 2)]
    passes: usize,
    /// How often each random word of eight bytes stands in a row: once, and nothing shrinks; 8 times, and lz4 leaves a fifth
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// Seed of contents and order
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn pages_in(order: Order, pages_count: usize, random: &mut SplitMix64) -> Vec<u32> {
    let mut pages: Vec<u32> = (0..pages_count as u32).collect();
    if matches!(order, Order::Random) {
        for last in (1..pages_count).rev() {
            pages.swap(last, random.below(last as u64 + 1) as usize);
        }
    }
    pages
}

fn main() {
    let options = Options::parse();
    let mut random = SplitMix64::new(options.seed, 0);
    let pages_count = (options.size as usize / 4096).max(1);
    let words_count = pages_count * PAGE_WORDS;
    let mut words: Vec<u64> = Vec::with_capacity(words_count);
    while words.len() < words_count {
        let count = (options.repeat as usize).min(words_count - words.len());
        words.extend(std::iter::repeat_n(random.next_u64(), count));
    }
    let pages = pages_in(options.order, pages_count, &mut random);

    let ticks = Ticks::calibrate();
    let (mut us, mut sum) = (Vec::with_capacity(pages_count * options.passes), 0u64);
    for &page in pages.iter().cycle().take(pages_count * options.passes) {
        let start = Ticks::now();
        let word = black_box(words[page as usize * PAGE_WORDS]);
        us.push(ticks.us_since(start));
        sum = sum.wrapping_add(word).rotate_left(1);
    }
    let mean_us = us.iter().sum::<f64>() / us.len() as f64;
    let faults = us.iter().copied().filter(|&us| us > FAULT_US_MIN).collect::<Vec<_>>();
    let (reads_count, faults_count, faults) = (us.len(), faults.len(), Samples::new(faults));
    println!(
        "us_per_page={mean_us:.3} us_fault_p50={:.3} us_fault_p99={:.3} faults={faults_count} pages={reads_count} sum={sum:016x}",
        faults.median(),
        faults.quantile(0.99),
    );
}
