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
        Self { prefetcher: Prefetcher::new(window_max, 1 << 16), here: BTreeSet::new(), faults: 0, brought: 0 }
    }

    fn touch(&mut self, thread: u32, page: u64) -> Option<Advice> {
        if !self.here.insert(page) {
            return None;
        }
        self.faults += 1;
        let advice = self.prefetcher.on_fault(thread, page);
        let (mut way, mut steps, mut brought) = (advice.way, 0, 0);
        while steps < advice.now
            && let Some((page, next)) = self.prefetcher.step(way)
        {
            brought += u32::from(self.here.insert(page));
            (way, steps) = (next, steps + 1);
        }
        self.prefetcher.brought(steps, brought, advice.ahead);
        self.brought += u64::from(brought);
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
    let descending = (1..300)
        .filter_map(|page| play.touch(1, MIDDLE - page))
        .filter(|advice| matches!(advice.way, Way::Stride { stride: -1, .. }))
        .count();
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
        let (mut one, mut other) = (Prefetcher::new(window_max, 1 << 16), Prefetcher::new(window_max, 1 << 16));
        let mut brought = 0;
        for (thread, page, most) in faults {
            let advice = one.on_fault(thread, page);
            prop_assert_eq!(advice, other.on_fault(thread, page));
            prop_assert!(advice.now <= window_max.max(1) && advice.ahead <= window_max);
            prop_assert!(advice.now == 0 || advice.way != Way::Nowhere);
            let now = advice.now.min(most);
            one.brought(now, now, advice.ahead);
            other.brought(now, now, advice.ahead);
            brought += u64::from(now);
            let verdicts = one.verdicts();
            prop_assert!(verdicts.used + verdicts.wasted <= brought);
        }
    }
}

/// Pages in an order that no stride tells, the same in each round, with a memory that holds `room` of them, first in, first out.
fn rounds(order: &[u64], room: usize, rounds: usize, mut noise: impl FnMut() -> Option<u64>) -> Vec<(u64, u64)> {
    let mut play = Play::new(64);
    let mut queue = std::collections::VecDeque::new();
    let mut told = Vec::new();
    for _ in 0..rounds {
        let before = (play.faults, play.brought);
        for page in order.iter().copied().flat_map(|page| std::iter::once(page).chain(noise())) {
            let here = play.here.clone();
            play.touch(1, page);
            queue.extend(play.here.difference(&here).copied());
            while queue.len() > room {
                let gone = queue.pop_front().expect("more than none");
                play.here.remove(&gone);
            }
        }
        told.push((play.faults - before.0, play.brought - before.1));
    }
    let verdicts = play.prefetcher.verdicts();
    assert!(verdicts.wasted <= verdicts.used / 8 + 64, "{verdicts:?}");
    told
}

/// A page number of the program's half; the history knows no larger ones.
const START: u64 = 1 << 33;

fn shuffled(count: u64, seed: u64) -> Vec<u64> {
    let mut random = SplitMix64::new(seed);
    let mut pages: Vec<u64> = (0..count).map(|page| START + page).collect();
    (1..count).rev().for_each(|last| pages.swap(last as usize, random.below(last + 1) as usize));
    pages
}

#[test]
fn an_order_that_comes_again_is_followed() {
    let told = rounds(&shuffled(2000, 3), 500, 3, || None);
    assert!(told[0].0 > 1990 && told[0].1 < 10, "the first time nothing is known: {told:?}");
    told[1..].iter().for_each(|(faults, brought)| assert!(*faults < 400 && *brought > 1600, "{told:?}"));
}

#[test]
fn pages_in_between_do_not_end_a_trail_and_are_not_brought_for_ever() {
    let mut random = SplitMix64::new(8);
    let noise = || (random.below(4) == 0).then(|| (START << 1) + random.below(1 << 30));
    let told = rounds(&shuffled(2000, 4), 500, 12, noise);
    // Some 500 pages in each round are wanted once only.
    told[1..].iter().for_each(|(faults, brought)| assert!(*faults < 1900 && *brought < 2700, "{told:?}"));
    assert!(told[6..].iter().map(|(_, brought)| brought).sum::<u64>() > 6 * 1200, "{told:?}");
}

#[test]
fn an_order_that_changes_brings_little() {
    let mut play = Play::new(64);
    for seed in 0..6 {
        shuffled(2000, seed).into_iter().for_each(|page| {
            play.here.clear();
            play.touch(1, page);
        });
    }
    assert!(play.brought < play.faults / 50, "{} with {} faults", play.brought, play.faults);
}

#[test]
fn threads_follow_trails_of_their_own() {
    let mut play = Play::new(64);
    let orders: Vec<_> = (0..3).map(|thread| shuffled(700, thread)).collect();
    for _ in 0..3 {
        play.here.clear();
        play.faults = 0;
        for step in 0..700 {
            for (thread, order) in (0..3).zip(&orders) {
                play.touch(thread, order[step] + (u64::from(thread) << 20));
            }
        }
    }
    assert!(play.faults < 600, "{} of 2100", play.faults);
}
