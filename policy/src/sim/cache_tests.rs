use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn touches(pages: impl IntoIterator<Item = u64>) -> Accesses {
    Accesses::number(&pages.into_iter().map(|page| (page, 0)).collect::<Vec<_>>())
}

fn wire(policy: CachePolicy, accesses: &Accesses, capacity: usize) -> u64 {
    policy.replay(accesses, capacity).wire
}

#[test]
fn a_scan_that_does_not_fit_misses_always_with_lru_and_as_little_as_can_be_with_the_optimum() {
    let scan = touches((0..10).flat_map(|_| 0..40));
    assert_eq!(wire(CachePolicy::Lru, &scan, 20), 9 * 40);
    assert_eq!(wire(CachePolicy::Fifo, &scan, 20), 9 * 40);
    let optimum = wire(CachePolicy::Optimum, &scan, 20);
    assert!((9 * 20..9 * 22).contains(&optimum), "{optimum}");
}

#[test]
fn nothing_is_ever_missed_where_all_pages_fit() {
    let scan = touches((0..10).flat_map(|_| 0..40));
    for policy in CachePolicy::ALL {
        assert_eq!(wire(policy, &scan, 40), 0, "{policy:?}");
    }
}

#[test]
fn a_hot_set_beside_a_scan_stays_with_second_chance_and_not_with_fifo() {
    let hot_and_cold = touches((0..20_000u64).flat_map(|n| [n % 20, 100 + n % 1000]));
    let fifo = wire(CachePolicy::Fifo, &hot_and_cold, 64);
    let second_chance = CachePolicy::SecondChance(8).replay(&hot_and_cold, 64);
    assert!(second_chance.wire < fifo - 4_000, "{second_chance:?} {fifo}");
    assert!(second_chance.soft > 1_000);
    let cheapest = wire(CachePolicy::Optimum, &hot_and_cold, 64);
    assert!(cheapest <= second_chance.wire);
}

#[test]
fn names_lead_back() {
    for policy in CachePolicy::ALL {
        assert_eq!(CachePolicy::by_name(policy.name()), Some(policy));
    }
    assert_eq!(CachePolicy::by_name("mru"), None);
}

/// Least recently used by its definition.
fn lru_by_distance(pages: &[u64], capacity: usize) -> u64 {
    let missed = |(index, page): (usize, &u64)| {
        let before = pages[..index].iter().rposition(|other| other == page)?;
        let between: BTreeSet<_> = pages[before + 1..index].iter().collect();
        (between.len() >= capacity).then_some(())
    };
    pages.iter().enumerate().filter_map(missed).count() as u64
}

proptest! {
    #[test]
    fn lru_is_lru_and_nothing_beats_the_optimum(pages in prop::collection::vec(0..60u64, 0..600), capacity in 16..50usize) {
        let accesses = touches(pages.iter().copied());
        prop_assert_eq!(wire(CachePolicy::Lru, &accesses, capacity), lru_by_distance(&pages, capacity));
        let optimum = wire(CachePolicy::Optimum, &accesses, capacity);
        for policy in CachePolicy::ALL {
            let faults = policy.replay(&accesses, capacity);
            prop_assert!(optimum <= faults.wire, "{:?}", policy);
            prop_assert!(faults.wire + faults.soft <= pages.len() as u64);
        }
    }
}
