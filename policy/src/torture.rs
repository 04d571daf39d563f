//! Evictions and jumps at random events, for tests: `--torture SEED`.
//!
//! What happens at event n is a function of the seed and n alone, so a run whose events are the same every time is
//! tortured in the same way every time, on whichever node event n takes place.

use crate::NODES;

/// In wild stretches of a run one event in this many brings evictions.
const EVICT_ONE_IN: u64 = 8;
/// Most pages evicted at one event.
const EVICT_PAGES_MAX: u64 = 64;
/// In wild stretches one event in this many brings a jump.
const JUMP_ONE_IN: u64 = 32;
/// Of each cycle of events, one part in this many is wild; the rest is calm.
const WILD_ONE_IN: u64 = 4;
/// Longest wild stretch.
const WILD_EVENTS_MAX: u64 = 2048;
/// Events of the first cycles, for programs that soon end.
const CYCLE_EVENTS_MIN: u64 = 512;
/// A cycle is a part in this many of the events before it, or one in twice as many. Each jump makes the working set fault
/// anew: calm must outlast that, or a program with a large one would never get on. So calm grows until it does. (GNU sort of
/// 200 MB did not end in 400 s with cycles of 8192 events.)
const CYCLE_ONE_IN: u64 = 4;

/// What to do at an event. Evictions come first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Decision {
    /// Pages to evict now (0: none), although the budget would not ask for it.
    pub evict_pages: u32,
    /// Node to jump to.
    pub jump: Option<u8>,
}

/// The source of decisions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Torture {
    seed: u64,
}

impl Torture {
    /// With this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// What to do at event `n` (a fault or a system call; counted over the whole run) on node `me`, when execution may go
    /// to the nodes in `nodes` (bit k: node k).
    #[must_use]
    pub fn decide(&self, n: u64, me: u8, nodes: u16) -> Decision {
        if !is_wild(n) {
            return Decision::default();
        }
        let mut random = SplitMix64::new(SplitMix64::new(self.seed).next() ^ n.wrapping_mul(0xd6e8_feb8_6659_fd93));
        let evict = random.below(EVICT_ONE_IN) == 0;
        let evict_pages = 1 + random.below(EVICT_PAGES_MAX) as u32;
        let jump = random.below(JUMP_ONE_IN) == 0;
        let others: u32 = u32::from(nodes) & !1u32.checked_shl(me.into()).unwrap_or(0);
        let choice = random.below(u64::from(others.count_ones()).max(1)) as usize;
        let target = (0..NODES as u8).filter(|node| others >> node & 1 == 1).nth(choice);
        Decision { evict_pages: if evict { evict_pages } else { 0 }, jump: target.filter(|_| jump) }
    }
}

/// Whether event `n` lies in a wild stretch, with which each cycle begins.
fn is_wild(n: u64) -> bool {
    let octave = 1_u64 << n.max(1).ilog2();
    let cycle = (octave / CYCLE_ONE_IN).max(CYCLE_EVENTS_MIN);
    n % cycle < (cycle / WILD_ONE_IN).min(WILD_EVENTS_MAX)
}

/// A small generator of random numbers. (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014.)
#[derive(Clone, Debug)]
pub struct SplitMix64 {
    state: u64,
}

impl SplitMix64 {
    /// From a seed; any is good.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 random bits.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A random number below `limit` (not 0), as good as even.
    pub fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(limit)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_splitmix64() {
        let mut random = SplitMix64::new(1_234_567);
        let reference = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!(reference.map(|_| random.next()), reference);
    }

    #[test]
    fn decisions_depend_on_seed_and_event_only_and_come_about_as_often_as_promised() {
        let torture = Torture::new(42);
        let run = |torture: Torture| (0..64_000).map(|n| torture.decide(n, 1, 0b1111)).collect::<Vec<_>>();
        let decisions = run(torture);
        assert_eq!(decisions, run(Torture::new(42)));
        assert_ne!(decisions, run(Torture::new(43)));
        let evictions = decisions.iter().filter(|d| d.evict_pages > 0).count();
        assert!((1_800..2_200).contains(&evictions), "{evictions}");
        assert!(decisions.iter().all(|d| d.evict_pages <= 64));
        for target in [0, 2, 3] {
            let jumps = decisions.iter().filter(|d| d.jump == Some(target)).count();
            assert!((130..205).contains(&jumps), "{jumps} to {target}");
        }
        assert!(decisions.iter().all(|d| d.jump != Some(1)));
    }

    #[test]
    fn wild_stretches_are_followed_by_longer_calm_ones() {
        let torture = Torture::new(1);
        let quiet = |n| torture.decide(n, 1, 0b111) == Decision::default();
        let (million, cycle) = (1 << 20, 1 << 18);
        assert!((128..512).chain(640..1024).chain(million + 2048..million + cycle).all(quiet));
        assert!(!(0..128).all(quiet) && !(512..640).all(quiet) && !(million..million + 2048).all(quiet));
    }

    #[test]
    fn nobody_jumps_when_there_is_nowhere_to_go() {
        let torture = Torture::new(7);
        assert!((0..1000).all(|n| torture.decide(n, 0, 0b1).jump.is_none()));
    }
}
