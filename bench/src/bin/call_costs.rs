//! What system calls and clocks cost the program that makes them. Prints `NAME=NANOSECONDS` for each, medians of nine rounds.
//! Usage: `call_costs`

use std::hint::black_box;
use std::time::Instant;

const ROUNDS: usize = 9;
const CALLS: u32 = 2000;

fn measure(name: &str, call: impl Fn()) {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            (0..CALLS).for_each(|_| call());
            start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    println!("{name}={:.1}", rounds[ROUNDS / 2]);
}

fn read_clock(clock: libc::clockid_t) {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the C library writes to a variable of this function's.
    unsafe { libc::clock_gettime(clock, &raw mut now) };
    black_box(now);
}

fn main() {
    measure("clock_gettime", || read_clock(libc::CLOCK_MONOTONIC));
    measure("clock_gettime_coarse", || read_clock(libc::CLOCK_MONOTONIC_COARSE));
    measure("clock_gettime_cpu", || read_clock(libc::CLOCK_PROCESS_CPUTIME_ID));
    // SAFETY: none of them takes a pointer that is not null.
    measure("time", || _ = black_box(unsafe { libc::time(std::ptr::null_mut()) }));
    // SAFETY: as above.
    measure("sched_getcpu", || _ = black_box(unsafe { libc::sched_getcpu() }));
    // SAFETY: as above.
    measure("getppid", || _ = black_box(unsafe { libc::getppid() }));
}
