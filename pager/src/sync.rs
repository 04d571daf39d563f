//! The atomics of the page table: std's, or loom's when a model checks the protocol (`--cfg loom`).

#[cfg(loom)]
pub use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(loom))]
pub use std::sync::atomic::{AtomicU64, Ordering};

/// Rounds of busy waiting before the CPU is given to somebody else.
#[cfg(not(loom))]
const SPIN_ROUNDS_MAX: u32 = 128;

/// Waits a moment; `round` counts the calls of one wait. Spins first, then yields the CPU.
#[cfg(not(loom))]
pub fn pause(round: u32) {
    if round < SPIN_ROUNDS_MAX {
        std::hint::spin_loop();
    } else {
        std::thread::yield_now();
    }
}

/// Tells the model that this thread cannot go on before another has.
#[cfg(loom)]
pub fn pause(_round: u32) {
    loom::thread::yield_now();
}
