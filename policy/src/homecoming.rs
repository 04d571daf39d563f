//! When pages come home without being asked for: while there is room at home and nobody pushes.
//!
//! A page that comes home and has to leave again has cost two trips over the wire. So nothing comes for a while after a page was
//! pushed, an eighth of the budget stays free for what the program allocates next, and where what came had to go again, the next wait is
//! twice as long.

/// Looks without a push before pages come, at least: one second of the governor's.
pub const PATIENCE_MIN: u32 = 10;
/// At most: a minute and some seconds.
pub const PATIENCE_MAX: u32 = 64 * PATIENCE_MIN;
/// Most pages that come at one look: 20 MiB a second.
pub const PAGES_A_LOOK: u64 = 512;
/// One part in so many of the budget stays free.
const FREE_PARTS: u64 = 8;
/// A push within so many times the patience after pages came was for want of the room that they took.
const REGRET_TIMES: u32 = 4;

/// What is known at home, where the program executes; in pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Scene {
    /// Most that may be at home.
    pub budget: u64,
    /// How many more that would be.
    pub room: u64,
    /// What other nodes hold.
    pub away: u64,
    /// Pages pushed, and jumps made, from here since the start: signs that the room is wanted, or the program elsewhere.
    pub pushes: u64,
}

/// Decides how many pages come.
#[derive(Clone, Debug)]
pub struct Homecoming {
    patience: u32,
    calm: u32,
    since_brought: u32,
    pushes: u64,
}

impl Default for Homecoming {
    fn default() -> Self {
        Self { patience: PATIENCE_MIN, calm: 0, since_brought: u32::MAX, pushes: 0 }
    }
}

impl Homecoming {
    /// One look; returns how many pages are to come now.
    pub fn look(&mut self, scene: &Scene) -> u64 {
        self.since_brought = self.since_brought.saturating_add(1);
        self.calm = self.calm.saturating_add(1);
        if scene.pushes != self.pushes {
            self.pushes = scene.pushes;
            self.calm = 0;
            if self.since_brought <= self.patience * REGRET_TIMES {
                self.patience = (self.patience * 2).min(PATIENCE_MAX);
                self.since_brought = u32::MAX;
            }
        } else if self.calm > self.patience * REGRET_TIMES * 4 {
            self.patience = PATIENCE_MIN;
        }
        if self.calm < self.patience {
            return 0;
        }
        let spare = scene.room.saturating_sub(scene.budget / FREE_PARTS);
        let come = spare.min(scene.away).min(PAGES_A_LOOK);
        if come > 0 {
            self.since_brought = 0;
        }
        come
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scene(room: u64, pushes: u64) -> Scene {
        Scene { budget: 8000, room, away: 5000, pushes }
    }

    #[test]
    fn pages_come_when_nothing_was_pushed_for_a_while_and_an_eighth_stays_free() {
        let mut home = Homecoming::default();
        let (mut room, mut came) = (4000, Vec::new());
        for _ in 0..40 {
            let come = home.look(&scene(room, 0));
            room -= come;
            came.push(come);
        }
        assert_eq!((came[..9].iter().sum::<u64>(), came[9], room), (0, PAGES_A_LOOK, 1000));
        assert_eq!(home.look(&scene(4000, 1)), 0, "a push");
    }

    #[test]
    fn a_program_that_jumps_or_pushes_all_the_time_is_left_alone() {
        let mut home = Homecoming::default();
        assert!((1..1000).all(|look| home.look(&scene(4000, look / 5)) == 0));
    }

    #[test]
    fn a_program_that_takes_the_room_again_is_bothered_less_and_less() {
        let mut home = Homecoming::default();
        let (mut pushes, mut came) = (0, 0);
        for look in 0..5000_u64 {
            if home.look(&scene(4000, pushes)) > 0 {
                came += 1;
                pushes += 1;
            }
            assert!(look > 0 || came == 0);
        }
        assert!((4..=40).contains(&came), "{came}");
    }

    proptest! {
        #[test]
        fn never_more_than_there_is_and_fits(looks in prop::collection::vec((0..10_000_u64, 0..10_000_u64, 0..3_u64), 1..300)) {
            let mut home = Homecoming::default();
            for (room, away, pushes) in looks {
                let come = home.look(&Scene { budget: 8000, room, away, pushes });
                prop_assert!(come <= away && come + 1000 <= room.max(1000) && come <= PAGES_A_LOOK);
            }
        }
    }
}
