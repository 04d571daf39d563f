//! Time by the CPU's counter, for programs whose clock calls may be trapped: reading it is no system call.

#![allow(unsafe_code)]

use std::time::{Duration, Instant};

/// How fast the counter runs.
#[derive(Clone, Copy, Debug)]
pub struct Ticks {
    us_per_tick: f64,
}

impl Ticks {
    /// Measures the counter against the clock for 50 ms.
    #[must_use]
    pub fn calibrate() -> Self {
        let (start, start_ticks) = (Instant::now(), Self::now());
        std::thread::sleep(Duration::from_millis(50));
        let ticks = Self::now() - start_ticks;
        Self { us_per_tick: start.elapsed().as_secs_f64() * 1e6 / ticks as f64 }
    }

    /// The counter.
    #[inline]
    #[must_use]
    pub fn now() -> u64 {
        // SAFETY: every x86-64 CPU has the instruction, and it has no effect but its result.
        unsafe { std::arch::x86_64::_rdtsc() }
    }

    /// Microseconds since the counter stood at `start`.
    #[inline]
    #[must_use]
    pub fn us_since(self, start: u64) -> f64 {
        Self::now().wrapping_sub(start) as f64 * self.us_per_tick
    }
}
