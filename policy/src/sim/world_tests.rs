use proptest::prelude::*;

use super::*;
use crate::threshold::JumpThreshold;

const COSTS: Costs = Costs { pull_ns: 80_000, next_ns: 40_000, push_ns: 20_000, jump_ns: 300_000, soft_ns: 6_000 };

/// A pull that drives a page out.
const PULL_MAX_NS: u64 = COSTS.pull_ns + COSTS.push_ns;

fn never() -> Advisor {
    Advisor::Fixed(JumpThreshold::never())
}

fn after(pulls: u32) -> Advisor {
    Advisor::Fixed(JumpThreshold::after(pulls))
}

fn auto() -> Advisor {
    Advisor::Adaptive(Box::default())
}

fn nodes(capacities: &[u64]) -> Setting {
    Setting { capacities: capacities.to_vec(), costs: COSTS, order: Order::Arrival }
}

fn program(pages: impl IntoIterator<Item = u64>, work_ns: u32) -> Accesses {
    let raw: Vec<_> = pages.into_iter().map(|page| (page, work_ns)).collect();
    Accesses::number(&raw)
}

fn scans(pages: u64, rounds: u64) -> Accesses {
    program((0..rounds).flat_map(|_| 0..pages), 1_000)
}

#[test]
fn never_pulls_what_first_in_first_out_misses() {
    let outcome = replay(&scans(1000, 4), &nodes(&[500, 5000]), &never());
    assert_eq!((outcome.jumps, outcome.pulls), (0, 3000));
    assert_eq!(outcome.pushes, 3500);
    assert_eq!(outcome.work_ns, 4_000_000);
    let fits = replay(&scans(1000, 4), &nodes(&[1000, 5000]), &never());
    assert_eq!((fits.pulls, fits.pushes, fits.soft), (0, 0, 1000));
}

#[test]
fn a_scan_is_followed_from_node_to_node() {
    let scan = scans(20_000, 8);
    let never = replay(&scan, &nodes(&[10_000, 50_000]), &never());
    let best = replay(&scan, &nodes(&[10_000, 50_000]), &after(16));
    let auto = replay(&scan, &nodes(&[10_000, 50_000]), &auto());
    assert!(auto.time_ns * 15 < never.time_ns, "{auto:?} {never:?}");
    assert!(auto.time_ns < best.time_ns * 11 / 10, "{auto:?} {best:?}");
}

#[test]
fn random_touches_end_up_where_there_is_room() {
    let mut random = crate::torture::SplitMix64::new(3);
    let fill = 0..20_000;
    let pages: Vec<u64> = fill.chain((0..300_000).map(|_| random.below(20_000))).collect();
    let random = program(pages, 1_000);
    let never = replay(&random, &nodes(&[10_000, 50_000]), &never());
    let auto = replay(&random, &nodes(&[10_000, 50_000]), &auto());
    assert!(auto.time_ns * 10 < never.time_ns, "{auto:?} {never:?}");
    assert!(auto.jumps < 10, "{auto:?}");
    // What is left at home comes once, most of it for the price of neighbours.
    let pulled_ns = auto.waited_ns() - auto.soft * COSTS.soft_ns - auto.pushes * COSTS.push_ns;
    assert!(auto.pulls < 11_000 && pulled_ns < auto.pulls * COSTS.next_ns * 5 / 4, "{auto:?}");
}

/// A page stream that does what hurts most: whatever the rule does, the next page is one that lies elsewhere if there is one, and
/// one that `never` would have at home if there is one of those.
fn spiteful(steps: &[(u8, u8)], pages: u64) -> Accesses {
    let mut at = 0_u64;
    let mut list: Vec<u64> = (0..pages).collect();
    for (kind, amount) in steps {
        let amount = u64::from(*amount);
        match kind % 5 {
            0 => list.extend((0..amount * 4).map(|n| (at + n) % pages)),
            1 => list.extend((0..amount).map(|n| (at + n * 7919) % pages)),
            2 => list.extend((0..amount).flat_map(|n| [(at + n) % pages, (at + n + pages / 2) % pages])),
            3 => list.extend((0..amount).map(|n| (pages + at - n % pages) % pages)),
            _ => list.extend((0..amount).map(|n| (at + n % 24) % pages)),
        }
        at = (at + amount * 13) % pages;
    }
    program(list, 0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// The bound of [`crate::ledger`], with the strictest program: one that does nothing but touch pages.
    #[test]
    fn auto_never_costs_more_than_twice_never(
        steps in prop::collection::vec((any::<u8>(), 1..120u8), 1..60),
        budget in 20..90u64,
        peers in prop::collection::vec(20..300u64, 1..4),
        jump_pulls in 1..40u64,
    ) {
        let pages = 100;
        let accesses = spiteful(&steps, pages);
        let mut capacities = vec![budget];
        capacities.extend(peers);
        // room for all somewhere
        *capacities.last_mut().expect("a peer") += pages;
        let costs = Costs { jump_ns: jump_pulls * COSTS.pull_ns, next_ns: COSTS.pull_ns, ..COSTS };
        let setting = Setting { capacities, costs, order: Order::Use };
        let never = replay(&accesses, &setting, &never());
        let auto = replay(&accesses, &setting, &auto());
        let allowance_ns = (budget + 1) * PULL_MAX_NS;
        prop_assert!(auto.time_ns <= 2 * never.time_ns + allowance_ns, "{:?} {:?} {:?}", auto, never, setting);
    }
}

/// The adversary of online paging: it knows the rule, and asks for what is not there. Both runs see the same pages.
#[test]
fn ping_pong_between_two_halves_costs_at_most_twice() {
    for period in [1, 3, 8, 20, 40, 64, 100, 250, 1000] {
        for (budget, peer) in [(500, 100_000), (500, 600), (900, 100_000), (250, 100_000)] {
            let pages = 1000;
            let list = (0..pages).chain((0..15_000).map(|n| {
                let half = (n / period) % 2;
                half * (pages / 2) + n % (pages / 2)
            }));
            let accesses = program(list, 0);
            for order in [Order::Arrival, Order::Use] {
                let setting = Setting { order, ..nodes(&[budget, peer]) };
                let never = replay(&accesses, &setting, &never());
                let auto = replay(&accesses, &setting, &auto());
                let limit_ns = 2 * never.time_ns + (budget + 1) * PULL_MAX_NS;
                assert!(auto.time_ns <= limit_ns, "{period} {budget} {peer} {order:?}: {auto:?} {never:?}");
            }
        }
    }
}
