//! Which CPU a measurement runs on.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// CPUs that this process may use, lowest first.
#[must_use]
pub fn allowed() -> Vec<usize> {
    let set = sched_getaffinity(None).unwrap_or_else(|_| CpuSet::new());
    (0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect()
}

/// Keeps the calling thread, and processes it starts from now on, on `cpus`.
///
/// No CPU named means no change. A failure only makes the measurement noisier, so it is ignored.
pub fn pin(cpus: &[usize]) {
    if cpus.is_empty() {
        return;
    }
    let mut set = CpuSet::new();
    cpus.iter().for_each(|&cpu| set.set(cpu));
    let _ = sched_setaffinity(None, &set);
}

/// Where the two ends of a message benchmark run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Both ends on the first CPU: they take turns.
    OneCpu,
    /// Each end on a CPU of its own.
    TwoCpus,
}

impl Placement {
    /// The placements that the `allowed` CPUs make possible.
    #[must_use]
    pub fn possible(allowed: &[usize]) -> &'static [Placement] {
        if allowed.len() > 1 { &[Self::OneCpu, Self::TwoCpus] } else { &[Self::OneCpu] }
    }

    /// CPUs of this end and of the peer, out of the `allowed` ones.
    #[must_use]
    pub fn cpus(self, allowed: &[usize]) -> (usize, usize) {
        let first = allowed.first().copied().unwrap_or(0);
        match self {
            Self::OneCpu => (first, first),
            Self::TwoCpus => (first, allowed.get(1).copied().unwrap_or(first)),
        }
    }
}

impl std::fmt::Display for Placement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::OneCpu => "one CPU",
            Self::TwoCpus => "two CPUs",
        })
    }
}
