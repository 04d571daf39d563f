use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::torture::SplitMix64;

/// A program's memory: what is here stays here. Counts what comes.
struct Play {
    prefetcher: Prefetcher,
    here: BTreeSet<u64>,
    faults: u64,
    brought: u64,
}

impl Play {
    fn new(window_max: u32) -> Self {
        Self { prefetcher: Prefetcher::new(window_max), here: BTreeSet::new(), faults: 0, brought: 0 }
    }

    fn touch(&mut self, thread: u32, page: u64) -> Option<Advice> {
        if !self.here.insert(page) {
            return None;
        }
        self.faults += 1;
        let advice = self.prefetcher.on_fault(thread, page);
        let next = |step: u32| page.wrapping_add_signed(advice.stride * i64::from(step));
        self.here.extend((1..=advice.now).map(next));
        self.prefetcher.brought(advice.now, advice.now, advice.ahead);
        self.brought += u64::from(advice.now);
        Some(advice)
    }
}

const MIDDLE: u64 = 1 << 40;

#[test]
fn a_sequential_program_gets_longer_and_longer_windows() {
    let mut play = Play::new(64);
    let windows: Vec<u32> =
        (0..400).filter_map(|page| play.touch(1, MIDDLE + page)).map(|advice| advice.now + 1).collect();
    assert_eq!(windows, [1, 1, 4, 8, 8, 16, 32, 64, 64, 64, 64, 64, 64]);
}

#[test]
fn a_walk_that_turns_round_halves_the_window_and_goes_on() {
    let mut play = Play::new(64);
    (0..300).for_each(|page| {
        play.touch(1, MIDDLE + page);
    });
    let wasted = play.prefetcher.verdicts().wasted;
    let descending =
        (1..300).filter_map(|page| play.touch(1, MIDDLE - page)).filter(|advice| advice.stride == -1).count();
    assert!(descending > 3, "{descending}");
    assert!(play.prefetcher.verdicts().wasted <= wasted + 64);
}

#[test]
fn nothing_is_brought_where_prefetching_is_off() {
    let mut play = Play::new(0);
    (0..300).for_each(|page| {
        play.touch(1, MIDDLE + page);
    });
    assert_eq!((play.faults, play.brought), (300, 0));
}

#[test]
fn threads_that_walk_at_once_do_not_disturb_each_other() {
    let mut play = Play::new(64);
    for page in 0..2000 {
        (0..8).for_each(|thread| {
            play.touch(thread, MIDDLE + (u64::from(thread) << 20) + page);
        });
    }
    assert!(play.faults < 8 * 50, "{}", play.faults);
}

#[test]
fn short_runs_between_random_jumps_are_soon_left_alone() {
    let mut play = Play::new(64);
    let mut random = SplitMix64::new(5);
    for _ in 0..2000 {
        let start = MIDDLE + random.below(1 << 30);
        (start..start + 3).for_each(|page| {
            play.touch(1, page);
        });
    }
    assert!(play.brought < play.faults / 20, "{} with {} faults", play.brought, play.faults);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn walks_of_any_stride_are_covered(stride in prop_oneof![1..2_i64, -1..0_i64, 2..2000_i64, -2000..-1_i64], start in 1_u64 << 30..1 << 35) {
        let mut play = Play::new(64);
        (0..2000).for_each(|step| {
        play.touch(1, start.wrapping_add_signed(step * stride));
    });
        prop_assert!(play.faults < 50, "{} faults", play.faults);
        let verdicts = play.prefetcher.verdicts();
        prop_assert_eq!(verdicts.wasted, 0);
        prop_assert!(verdicts.used > 1850);
    }

    #[test]
    fn walks_at_once_are_all_covered(count in 2..7_u64, order in any::<u64>()) {
        let mut play = Play::new(64);
        let mut random = SplitMix64::new(order);
        let mut at: Vec<u64> = (0..count).map(|walk| MIDDLE + (walk << 24)).collect();
        for _ in 0..1000 * count {
            let walk = random.below(count) as usize;
            play.touch(1, at[walk]);
            at[walk] += 1;
        }
        prop_assert!(play.faults < 45 * count, "{} faults of {} walks", play.faults, count);
    }

    #[test]
    fn random_pages_come_alone(seed in any::<u64>()) {
        let mut play = Play::new(64);
        let mut random = SplitMix64::new(seed);
        (0..5000).for_each(|_| {
        play.touch(1, MIDDLE + random.below(1 << 20));
    });
        prop_assert!(play.brought < 50, "{} pages with {} faults", play.brought, play.faults);
    }

    #[test]
    fn noise_does_not_end_a_walk(seed in any::<u64>()) {
        let mut play = Play::new(64);
        let mut random = SplitMix64::new(seed);
        for page in 0..3000 {
            play.touch(1, MIDDLE + page);
            if random.below(3) == 0 {
                play.touch(1, (MIDDLE << 1) + random.below(1 << 30));
            }
        }
        prop_assert!(play.faults < 1000 + 400, "{} faults", play.faults);
    }

    /// Whatever the program does: windows are bounded, what is judged was brought, and the same faults give the same advice.
    #[test]
    fn any_faults_give_bounded_and_repeatable_advice(
        faults in prop::collection::vec((0..20_u32, prop_oneof![0..200_u64, any::<u64>()], 0..70_u32), 1..400),
        window_max in 1..100_u32,
    ) {
        let (mut one, mut other) = (Prefetcher::new(window_max), Prefetcher::new(window_max));
        let mut brought = 0;
        for (thread, page, most) in faults {
            let advice = one.on_fault(thread, page);
            prop_assert_eq!(advice, other.on_fault(thread, page));
            prop_assert!(advice.now <= window_max.max(1) && advice.ahead <= window_max);
            prop_assert!(advice.now == 0 || advice.stride != 0);
            let now = advice.now.min(most);
            one.brought(now, now, advice.ahead);
            other.brought(now, now, advice.ahead);
            brought += u64::from(now);
            let verdicts = one.verdicts();
            prop_assert!(verdicts.used + verdicts.wasted <= brought);
        }
    }
}
