//! When memory that a peer lends, and in which nothing is, goes back to it.
//!
//! A slab that is given back and leased again has cost a message each way and the peer's kernel its clearing, so it waits until it has
//! been free for a while; and where one was missed soon after, the next wait for twice as long.

/// Looks for which a slab must have been free, at least: one second of the governor's.
pub const PATIENCE_MIN: u32 = 10;
/// At most: a minute and some seconds.
pub const PATIENCE_MAX: u32 = 64 * PATIENCE_MIN;
/// A slab that is leased within so many times the patience was missed.
const MISSED_TIMES: u32 = 4;
/// After so many times the patience without a slab that was missed, the patience is halved.
const CALM_TIMES: u32 = 16;

/// What one peer lends and is not used.
#[derive(Clone, Debug)]
pub struct Slack {
    patience: u32,
    /// Looks of the present window, and the fewest free slabs in it.
    looks: u32,
    fewest: u32,
    /// Slabs of the last window that have still to go, one a look.
    owed: u32,
    /// Looks since one went, and since one was missed.
    since_given: u32,
    since_missed: u32,
}

impl Default for Slack {
    fn default() -> Self {
        Self { patience: PATIENCE_MIN, looks: 0, fewest: u32::MAX, owed: 0, since_given: u32::MAX, since_missed: 0 }
    }
}

impl Slack {
    /// One look: so many slabs are `free` now, and whether any was `leased` since the last look. Returns whether to give one back.
    pub fn look(&mut self, free: u32, leased: bool) -> bool {
        self.since_given = self.since_given.saturating_add(1);
        self.since_missed = self.since_missed.saturating_add(1);
        if leased {
            if self.since_given <= self.patience * MISSED_TIMES {
                self.patience = (self.patience * 2).min(PATIENCE_MAX);
                self.since_missed = 0;
            }
            (self.looks, self.fewest, self.owed) = (0, u32::MAX, 0);
        } else if self.since_missed > self.patience * CALM_TIMES {
            self.patience = (self.patience / 2).max(PATIENCE_MIN);
            self.since_missed = 0;
        }
        self.fewest = self.fewest.min(free);
        self.owed = self.owed.min(free);
        self.looks += 1;
        if self.looks > self.patience {
            self.owed = self.fewest;
            (self.looks, self.fewest) = (0, u32::MAX);
        }
        let gives = self.owed > 0;
        if gives {
            self.owed -= 1;
            self.since_given = 0;
            self.fewest = self.fewest.min(free - 1);
        }
        gives
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_has_been_free_for_a_while_goes_one_by_one() {
        let mut slack = Slack::default();
        let mut free = 3;
        let given: Vec<u32> = (0..200).filter(|_| slack.look(free, false).then(|| free -= 1).is_some()).collect();
        assert_eq!(given, [10, 11, 12]);
    }

    #[test]
    fn a_slab_that_is_free_now_and_then_stays() {
        let mut slack = Slack::default();
        assert!(!(0..1000).any(|look| slack.look(u32::from(look % 10 != 0), false)));
    }

    #[test]
    fn a_program_that_wants_back_what_it_gave_is_asked_less_and_less() {
        let mut slack = Slack::default();
        let (mut free, mut given, mut leased) = (1, 0, false);
        for _ in 0..6000 {
            let gives = slack.look(free, leased);
            // Gone now, and leased again at once.
            leased = gives;
            given += u32::from(gives);
            free = u32::from(!gives);
        }
        assert!((4..=20).contains(&given), "{given}");
    }

    proptest! {
        /// Never more than was free at every look of the least patience, and after a calm time all of it.
        #[test]
        fn only_what_was_free_all_the_time_goes(looks in prop::collection::vec((0..4_u32, prop::bool::weighted(0.05)), 1..300)) {
            let mut slack = Slack::default();
            let mut seen: Vec<u32> = Vec::new();
            let mut given = 0;
            for (free, leased) in looks {
                if leased {
                    (given, seen) = (0, Vec::new());
                }
                seen.push(free);
                if slack.look(free, leased) {
                    given += 1;
                    let lately = &seen[seen.len().saturating_sub(PATIENCE_MIN as usize)..];
                    prop_assert!(lately.len() == PATIENCE_MIN as usize || given > 0);
                    prop_assert!(lately.iter().all(|free| *free > 0));
                }
            }
            let mut free = 3;
            (0..PATIENCE_MAX * CALM_TIMES).for_each(|_| free -= u32::from(slack.look(free, false)));
            prop_assert_eq!(free, 0);
        }
    }
}
