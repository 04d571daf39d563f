//! When to jump, as ElasticOS does it: once so many pages were pulled from one node since the last jump.
//! (Ababneh et al., ElasticOS: Operating System Elasticity through Joint Disaggregation, USENIX ATC 2018. Its best
//! thresholds: 32 for linear search, 512 for Dijkstra and sorting, 8192 for depth-first search.)

use crate::NODES;

/// Counts pulls, advises jumps. Lives on the node that executes; the next one starts from zero.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JumpThreshold {
    /// Pulls after which to jump, as the user set it; `None`: never.
    limit: Option<u32>,
    /// What it has been raised to.
    raised: u32,
    /// Whether it is raised while jumps do not pay.
    damped: bool,
    pulls: [u32; NODES],
}

impl JumpThreshold {
    /// Advises against every jump.
    #[must_use]
    pub fn never() -> Self {
        Self { limit: None, raised: 0, damped: false, pulls: [0; NODES] }
    }

    /// Advises to jump to a node after `pulls` pulls from it (0 counts as 1).
    #[must_use]
    pub fn after(pulls: u32) -> Self {
        Self { limit: Some(pulls.max(1)), raised: pulls.max(1), damped: false, pulls: [0; NODES] }
    }

    /// Jump after `pulls` pulls from one node to begin with, more while stays do not pay: see [`Self::on_leave`].
    #[must_use]
    pub fn damped(pulls: u32) -> Self {
        Self { damped: true, ..Self::after(pulls) }
    }

    /// Execution leaves after a stay of `stay_us` microseconds, `pulling_us` of them spent on pulls. A program whose hot
    /// pages do not fit one threshold's worth of pulls would be thrown back and forth: a stay of which more than a quarter
    /// went into pulls doubles the threshold, without limit, so that such a program settles down somewhere; one of which
    /// less than a sixteenth did halves it, down to what the user set.
    pub fn on_leave(&mut self, stay_us: u64, pulling_us: u64) {
        let Some(limit) = self.limit.filter(|_| self.damped) else {
            return;
        };
        self.raised = if pulling_us > stay_us / 4 {
            self.raised.saturating_mul(2)
        } else if pulling_us < stay_us / 16 {
            (self.raised / 2).max(limit)
        } else {
            self.raised
        };
    }

    /// The threshold in force, to travel with execution.
    #[must_use]
    pub fn raised(&self) -> u32 {
        self.raised
    }

    /// The threshold that was in force where execution comes from.
    pub fn set_raised(&mut self, raised: u32) {
        self.raised = raised.max(self.limit.unwrap_or(0));
    }

    /// The threshold; `None`: never.
    #[must_use]
    pub fn limit(&self) -> Option<u32> {
        self.limit
    }

    /// A page was pulled from `node`. Returns that node if execution had better go there; says so again at each further
    /// pull if it does not. Never advises to jump to a node that is out of range.
    pub fn on_pull(&mut self, node: u8) -> Option<u8> {
        let count = self.pulls.get_mut(usize::from(node))?;
        *count = count.saturating_add(1);
        (self.limit.is_some() && *count >= self.raised).then_some(node)
    }

    /// Execution has jumped, to or from here: counts begin anew.
    pub fn on_jump(&mut self) {
        self.pulls = [0; NODES];
    }

    /// Pulls from each node since the last jump.
    #[must_use]
    pub fn pulls(&self) -> &[u32; NODES] {
        &self.pulls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pulls_are_counted_for_each_node_and_forgotten_at_a_jump() {
        let mut threshold = JumpThreshold::after(3);
        let advice: Vec<_> = [1, 2, 1, 2, 1, 1].map(|node| threshold.on_pull(node)).into();
        assert_eq!(advice, [None, None, None, None, Some(1), Some(1)]);
        threshold.on_jump();
        assert_eq!(threshold.on_pull(2), None);
        assert_eq!(threshold.pulls()[2], 1);
    }

    #[test]
    fn stays_that_do_not_pay_raise_a_damped_threshold_and_good_ones_lower_it_again() {
        let mut damped = JumpThreshold::damped(32);
        (0..3).for_each(|_| damped.on_leave(1000, 900));
        assert_eq!(damped.raised(), 256);
        (0..100).for_each(|_| damped.on_leave(1000, 900));
        assert_eq!(damped.raised(), u32::MAX);
        damped.on_leave(1000, 100);
        assert_eq!(damped.raised(), u32::MAX);
        (0..100).for_each(|_| damped.on_leave(1000, 10));
        assert_eq!(damped.raised(), 32);
        let mut fixed = JumpThreshold::after(32);
        (0..3).for_each(|_| fixed.on_leave(1000, 900));
        assert_eq!(fixed.raised(), 32);
    }

    #[test]
    fn never_means_never_and_zero_means_at_once() {
        let mut never = JumpThreshold::never();
        assert!((0..100_000).all(|_| never.on_pull(1).is_none()));
        assert_eq!(JumpThreshold::after(0).on_pull(4), Some(4));
        assert_eq!(JumpThreshold::after(1).on_pull(200), None);
    }
}
