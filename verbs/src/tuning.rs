//! How long to spin before sleeping.

use std::time::Duration;

/// Spin limits of a queue pair and its responder. The defaults come from the measurements in [`crate::tcp`].
///
/// Spinning yields the CPU between tries, so it does no harm when both ends share a CPU, and stops where others compute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tuning {
    /// How long a read or fence looks for its response before it sleeps.
    pub initiator_spin: Duration,
    /// How long a responder looks for the next request before it sleeps.
    pub responder_spin: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        Tuning { initiator_spin: Duration::from_micros(100), responder_spin: Duration::from_micros(200) }
    }
}

impl Tuning {
    /// Never spins. Best where both ends have one CPU between them: a sleeper is woken there without an interrupt to
    /// another CPU, while a look that finds nothing and a yield are two system calls (13.0 instead of 17.1 us for a page
    /// over loopback).
    pub const SLEEP: Tuning = Tuning { initiator_spin: Duration::ZERO, responder_spin: Duration::ZERO };
}
