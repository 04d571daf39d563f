//! How much memory a program may keep at home, where the user has not said: what the machine can spare, followed as that changes.
//!
//! Shrinks at once, since others are waiting for the memory, and grows slowly and only where nobody waits, since memory that is given
//! back a moment later has cost two trips over the wire for each page.

/// What is known of memory at one moment, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Facts {
    /// What could be given out without swapping: the least of what the machine and each control group have.
    pub available: u64,
    /// What this process keeps resident.
    pub ours: u64,
    /// Share of the last ten seconds in which somebody waited for memory, percent (`some avg10` of Linux' pressure stall
    /// information); 0 where the kernel does not tell.
    pub stalled_percent: f32,
}

/// From this share on, memory is short whatever the counters say.
const SHORT_PERCENT: f32 = 10.0;
/// Above this share, nothing more is taken.
const QUIET_PERCENT: f32 = 1.0;
/// Of what is wanted beyond the present budget, one part in so many is taken at a time.
const GROWTH_PARTS: u64 = 4;
/// Growth of less than one part in so many is not worth it.
const WORTH_PARTS: u64 = 16;
/// What is given up at a time while others wait and the counters show nothing.
const YIELD_PARTS: u64 = 16;

/// The budget of one run.
#[derive(Clone, Debug)]
pub struct Budget {
    least: u64,
    most: u64,
    /// What others are left with.
    reserve: u64,
    bytes: u64,
}

impl Budget {
    /// Between `least` and `most` bytes, with `reserve` bytes left to others; begins with what `facts` allow.
    #[must_use]
    pub fn new(least: u64, most: u64, reserve: u64, facts: &Facts) -> Self {
        let mut budget = Self { least, most: most.max(least), reserve, bytes: least };
        budget.bytes = budget.bounded(budget.spare(facts));
        budget
    }

    /// Bytes that may be resident.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Follows what has changed; the new budget, in bytes.
    pub fn follow(&mut self, facts: &Facts) -> u64 {
        let mut wanted = self.spare(facts);
        if facts.stalled_percent >= SHORT_PERCENT {
            wanted = wanted.min(facts.ours - facts.ours / YIELD_PARTS);
        }
        let wanted = self.bounded(wanted);
        if wanted < self.bytes {
            self.bytes = wanted;
        } else if facts.stalled_percent <= QUIET_PERCENT && wanted - self.bytes > self.bytes / WORTH_PARTS {
            self.bytes += (wanted - self.bytes) / GROWTH_PARTS;
        }
        self.bytes
    }

    fn spare(&self, facts: &Facts) -> u64 {
        facts.ours.saturating_add(facts.available).saturating_sub(self.reserve)
    }

    fn bounded(&self, bytes: u64) -> u64 {
        bytes.clamp(self.least, self.most)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn facts(available: u64, ours: u64, stalled_percent: f32) -> Facts {
        Facts { available: available * MIB, ours: ours * MIB, stalled_percent }
    }

    #[test]
    fn it_shrinks_at_once_and_grows_step_by_step() {
        let mut budget = Budget::new(MIB, 4096 * MIB, 100 * MIB, &facts(1000, 0, 0.0));
        assert_eq!(budget.bytes(), 900 * MIB);
        // Somebody else takes 600 MiB, of which we have 300 resident.
        assert_eq!(budget.follow(&facts(100, 300, 0.0)), 300 * MIB);
        let first = budget.follow(&facts(700, 300, 0.0));
        assert_eq!(first, 450 * MIB);
        let later = (0..20).map(|_| budget.follow(&facts(700, 300, 0.0))).last();
        assert!(later.is_some_and(|bytes| bytes > 840 * MIB && bytes <= 900 * MIB));
    }

    #[test]
    fn it_yields_while_others_wait_and_does_not_grow_before_they_have_stopped() {
        let mut budget = Budget::new(MIB, 4096 * MIB, 0, &facts(1000, 0, 0.0));
        assert_eq!(budget.follow(&facts(1000, 800, 20.0)), 750 * MIB);
        assert_eq!(budget.follow(&facts(1000, 750, 5.0)), 750 * MIB);
        assert!(budget.follow(&facts(1000, 750, 0.5)) > 750 * MIB);
    }

    proptest! {
        /// Whatever happens, the budget keeps its bounds, and never grows beyond what can be spared.
        #[test]
        fn it_keeps_its_bounds(steps in prop::collection::vec((0_u64..1 << 40, 0_u64..1 << 40, 0_f32..100.0), 1..50),
                               least in 1_u64..1 << 30, most in 1_u64..1 << 40, reserve in 0_u64..1 << 35) {
            let mut budget = Budget::new(least, most, reserve, &Facts::default());
            for (available, ours, stalled_percent) in steps {
                let before = budget.bytes();
                let after = budget.follow(&Facts { available, ours, stalled_percent });
                prop_assert!(after >= least && after <= most.max(least));
                if after > before {
                    prop_assert!(after <= (ours + available).saturating_sub(reserve).max(least));
                }
            }
        }
    }
}
