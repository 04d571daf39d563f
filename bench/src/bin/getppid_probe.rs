//! Times the `getppid` system call, the cheapest there is: what a trap costs over the kernel's own time.
//! Prints `us_per_call=MEDIAN calls=N`.

use clap::Parser;
use eos_bench::micro::sample::{Samples, time_batches};

#[derive(Parser, Debug)]
#[command(version)]
struct Options {
    /// Calls that are timed
    #[arg(long, default_value_t = 200_000)]
    calls: usize,
}

/// Calls timed together.
const BATCH_CALLS: usize = 100;

fn main() {
    let calls = Options::parse().calls;
    let samples: Samples = time_batches(calls / BATCH_CALLS, BATCH_CALLS, || {
        std::hint::black_box(rustix::process::getppid());
    });
    println!("us_per_call={:.3} calls={calls}", samples.median());
}
