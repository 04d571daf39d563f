use proptest::prelude::*;

use super::*;

const GBIT: u64 = 118_000_000;
const PAGE: usize = 4096;
/// A page in 5 us.
const COST_NS: u64 = 5_000;

/// Trials until the direction has seen `count` of them, on a link that carries `rate`.
fn settle(packing: &mut Packing, way: Way, rate: u64, packed: usize, cost_ns: u64, count: usize) {
    for _ in 0..count {
        packing.link_carries(way, Some(rate));
        packing.tried(way, Trial { raw: PAGE, packed, cost_ns });
    }
}

#[test]
fn a_slow_link_pays_with_data_that_shrinks_and_not_with_other() {
    for (rate, packed, pays) in
        [(GBIT, 1000, true), (GBIT, PAGE, false), (GBIT, 3500, false), (10 * GBIT, 1000, false), (40 * GBIT, 0, false)]
    {
        let mut packing = Packing::default();
        settle(&mut packing, Way::Write, rate, packed, COST_NS, 20);
        assert_eq!(packing.packs(Way::Write), pays, "{rate} bytes/s, {packed} of {PAGE}");
        assert!(!packing.packs(Way::Read), "the directions are decided apart");
    }
}

#[test]
fn nothing_is_decided_of_a_link_that_never_was_busy_and_nothing_tried() {
    let mut packing = Packing::default();
    assert!((0..100).all(|_| !packing.link_carries(Way::Read, None)));
    (0..100).for_each(|_| packing.tried(Way::Read, Trial { raw: PAGE, packed: 10, cost_ns: 1 }));
    assert!(!packing.packs(Way::Read));
}

#[test]
fn few_trials_and_one_that_was_interrupted_decide_nothing() {
    let mut packing = Packing::default();
    settle(&mut packing, Way::Read, GBIT, 500, COST_NS, TRIALS_MIN as usize - 1);
    assert!(!packing.packs(Way::Read));
    settle(&mut packing, Way::Read, GBIT, 500, COST_NS, TRIALS);
    assert!(packing.packs(Way::Read));
    packing.tried(Way::Read, Trial { raw: PAGE, packed: 500, cost_ns: 40_000_000 });
    assert!(packing.packs(Way::Read), "one trial is an outlier");
    packing.link_carries(Way::Read, Some(50 * GBIT));
    assert!(!packing.packs(Way::Read), "what the link has carried once it can carry");
}

#[test]
fn what_was_decided_stays_between_the_two_limits_and_changes_outside() {
    // saved: 4096 bytes at 118 MB/s are 34.7 us; half of it is 17.4
    let mut packing = Packing::default();
    settle(&mut packing, Way::Write, GBIT, PAGE / 2, 10_000, TRIALS);
    assert!(!packing.packs(Way::Write), "1.7 times the cost is no reason to begin");
    settle(&mut packing, Way::Write, GBIT, PAGE / 2, 7_000, TRIALS);
    assert!(packing.packs(Way::Write));
    settle(&mut packing, Way::Write, GBIT, PAGE / 2, 10_000, TRIALS);
    assert!(packing.packs(Way::Write), "nor to end");
    settle(&mut packing, Way::Write, GBIT, PAGE / 2, 13_000, TRIALS);
    assert!(!packing.packs(Way::Write));
}

#[test]
fn a_link_that_becomes_fast_ends_it_without_trials() {
    let mut packing = Packing::default();
    settle(&mut packing, Way::Read, GBIT, 1000, COST_NS, TRIALS);
    assert!(packing.packs(Way::Read));
    (0..LOOKS).for_each(|_| _ = packing.link_carries(Way::Read, Some(20 * GBIT)));
    assert!(!packing.packs(Way::Read));
    let trials = (0..IDLE_LOOKS * 4).filter(|_| packing.link_carries(Way::Read, Some(20 * GBIT))).count();
    assert_eq!(trials, 4, "a trial is rare where it cannot pay");
}

#[test]
fn the_first_trial_may_be_a_slow_one() {
    let mut packing = Packing::default();
    settle(&mut packing, Way::Write, GBIT, 1000, 60_000, 1);
    let tried = (0..TRIALS_MIN).all(|_| {
        let tries = packing.link_carries(Way::Write, Some(GBIT));
        packing.tried(Way::Write, Trial { raw: PAGE, packed: 1000, cost_ns: COST_NS });
        tries
    });
    assert!(tried && packing.packs(Way::Write), "memory is cold then");
}

#[test]
fn looks_are_rare_and_rarer_once_enough_is_known() {
    let mut packing = Packing::default();
    let dues = |packing: &mut Packing| (0..1024).filter(|_| packing.is_due(Way::Read, PAGE)).count();
    assert_eq!(dues(&mut packing), 64);
    settle(&mut packing, Way::Read, GBIT, 1000, COST_NS, TRIALS);
    assert_eq!(dues(&mut packing), 16);
    assert!(packing.is_due(Way::Read, 1 << 20), "a long run counts with its bytes");
}

proptest! {
    /// Whatever was seen before: once all that is remembered is of one kind, only that decides.
    #[test]
    fn the_past_is_forgotten(
        past in prop::collection::vec((1_u64..1 << 40, 0..2 * PAGE, 0_u64..1 << 40), 0..40),
        slow: bool,
    ) {
        let mut packing = Packing::default();
        for (rate, packed, cost_ns) in past {
            settle(&mut packing, Way::Read, rate, packed, cost_ns, 1);
        }
        let rate = if slow { GBIT } else { 20 * GBIT };
        settle(&mut packing, Way::Read, rate, 1000, COST_NS, LOOKS.max(TRIALS));
        prop_assert_eq!(packing.packs(Way::Read), slow);
    }
}
