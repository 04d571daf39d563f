//! When to jump, as ElasticOS does it: once so many pages were pulled from one node since the last jump.
//! (Ababneh et al., ElasticOS: Operating System Elasticity through Joint Disaggregation, USENIX ATC 2018. Its best
//! thresholds: 32 for linear search, 512 for Dijkstra and sorting, 8192 for depth-first search.)

use crate::NODES;

/// Counts pulls, advises jumps. Lives on the node that executes; the next one starts from zero.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JumpThreshold {
    /// Pulls after which to jump, as the user set it; `None`: never.
    limit: Option<u32>,
    pulls: [u32; NODES],
}

impl JumpThreshold {
    /// Advises against every jump.
    #[must_use]
    pub fn never() -> Self {
        Self { limit: None, pulls: [0; NODES] }
    }

    /// Advises to jump to a node after `pulls` pulls from it (0 counts as 1).
    #[must_use]
    pub fn after(pulls: u32) -> Self {
        Self { limit: Some(pulls.max(1)), pulls: [0; NODES] }
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
        self.limit.is_some_and(|limit| *count >= limit).then_some(node)
    }

    /// Pulls from `node` until it advises to go there; `None` if it never will.
    #[must_use]
    pub fn left(&self, node: u8) -> Option<u32> {
        let limit = self.limit?;
        self.pulls.get(usize::from(node)).map(|pulls| limit.saturating_sub(*pulls))
    }

    /// `count` more pages were pulled from `node`, along with one that [`Self::on_pull`] was told of.
    pub fn on_more(&mut self, node: u8, count: u32) {
        if let Some(pulls) = self.pulls.get_mut(usize::from(node)) {
            *pulls = pulls.saturating_add(count);
        }
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
    fn pages_that_come_along_count_as_pulls() {
        let mut threshold = JumpThreshold::after(10);
        assert_eq!((threshold.on_pull(1), threshold.left(1)), (None, Some(9)));
        threshold.on_more(1, 8);
        assert_eq!((threshold.left(1), threshold.left(2)), (Some(1), Some(10)));
        assert_eq!((threshold.on_pull(1), threshold.left(1)), (Some(1), Some(0)));
        assert_eq!((JumpThreshold::never().left(1), threshold.left(200)), (None, None));
    }

    #[test]
    fn never_means_never_and_zero_means_at_once() {
        let mut never = JumpThreshold::never();
        assert!((0..100_000).all(|_| never.on_pull(1).is_none()));
        assert_eq!(JumpThreshold::after(0).on_pull(4), Some(4));
        assert_eq!(JumpThreshold::after(1).on_pull(200), None);
    }
}
