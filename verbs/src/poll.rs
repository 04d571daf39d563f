//! `poll(2)` that outlives signals, and the bounded spin that comes before it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, Timespec};
use rustix::io::Errno;

/// Waits until one of `fds` has an event or `deadline` has passed (then 0). Interrupted waits go on.
pub(crate) fn wait(fds: &mut [PollFd<'_>], deadline: Option<Instant>) -> Result<usize, Errno> {
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let left = left.map(|left| Timespec::try_from(left).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 }));
        match rustix::event::poll(fds, left.as_ref()) {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

/// A yield that took this long gave the CPU to a thread that computes, not to the other end of a link.
const CROWDED: Duration = Duration::from_millis(1);
/// How long a waiting place sleeps at once, instead of yielding, after such a yield.
const SLEEP_FOR: Duration = Duration::from_millis(50);

/// How one place waits: spins for at most `limit`, yielding the CPU between tries (the other end may be waiting for it), then
/// sleeps. Where somebody else computes on this CPU, a yield costs a whole time slice (4 ms here) while a sleeper is woken at
/// once; so after a slow yield the place does without spinning for a while.
#[derive(Debug)]
pub(crate) struct Spinner {
    limit: Duration,
    start: Instant,
    /// ns since `start`.
    crowded_until: AtomicU64,
}

impl Spinner {
    pub(crate) fn new(limit: Duration) -> Spinner {
        Spinner { limit, start: Instant::now(), crowded_until: AtomicU64::new(0) }
    }

    /// A fresh spin, of at most `limit` if that is shorter.
    pub(crate) fn begin(&self, limit: Option<Duration>) -> Patience<'_> {
        Patience { spinner: self, limit: limit.map_or(self.limit, |limit| limit.min(self.limit)), since: None }
    }

    /// Whether this place sleeps at once: its limit is zero.
    pub(crate) fn never_spins(&self) -> bool {
        self.limit.is_zero()
    }

    /// Yields the CPU when nothing can have come yet: on one CPU with the other end it is the other's turn.
    pub(crate) fn give_way(&self) {
        if !self.never_spins() && !self.is_crowded() {
            self.yield_cpu(self.now());
        }
    }

    fn now(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    fn is_crowded(&self) -> bool {
        let until = self.crowded_until.load(Ordering::Relaxed);
        until != 0 && self.now() < until
    }

    /// Yields; returns the time after it.
    fn yield_cpu(&self, before: u64) -> u64 {
        rustix::thread::sched_yield();
        let after = self.now();
        if after - before > CROWDED.as_nanos() as u64 {
            self.crowded_until.store(after + SLEEP_FOR.as_nanos() as u64, Ordering::Relaxed);
        }
        after
    }
}

/// One bounded spin. The clock is first read at the first miss, so that a hit costs nothing.
pub(crate) struct Patience<'a> {
    spinner: &'a Spinner,
    limit: Duration,
    since: Option<u64>,
}

impl Patience<'_> {
    /// After a miss: yields the CPU and says whether to try again; `false`: it is time to sleep.
    pub(crate) fn try_again(&mut self) -> bool {
        if self.limit.is_zero() || self.spinner.is_crowded() {
            return false;
        }
        let before = self.spinner.now();
        let since = *self.since.get_or_insert(before);
        self.spinner.yield_cpu(before) - since < self.limit.as_nanos() as u64
    }

    /// After progress: the whole limit again.
    pub(crate) fn renew(&mut self) {
        self.since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spin_ends_after_its_limit_and_starts_afresh_after_progress() {
        let spinner = Spinner::new(Duration::from_millis(2));
        let mut patience = spinner.begin(None);
        let start = Instant::now();
        while patience.try_again() {}
        // A yield that takes long, on a busy machine, ends the spin early; that is meant.
        assert!(start.elapsed() >= Duration::from_millis(2) || spinner.is_crowded());
        assert!(!spinner.begin(Some(Duration::ZERO)).try_again());
    }

    #[test]
    fn a_place_on_a_crowded_cpu_sleeps_at_once_for_a_while() {
        let spinner = Spinner::new(Duration::from_secs(10));
        let later = spinner.now() + Duration::from_millis(20).as_nanos() as u64;
        spinner.crowded_until.store(later, Ordering::Relaxed);
        assert!(!spinner.begin(None).try_again());
        std::thread::sleep(Duration::from_millis(30));
        assert!(spinner.begin(None).try_again());
    }
}
