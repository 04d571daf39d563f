use proptest::prelude::*;

use super::*;

fn view(me: u8, now_ns: u64) -> View {
    let mut held = [0; NODES];
    let mut room = [0; NODES];
    (held[0], held[1], room[1]) = (1000, 1000, 100_000);
    View { me, held, room, executes: 0b11, home_budget: 1000, now_ns }
}

/// Pulls these pages at 80 us each, after a second of work; returns how many it took until the advice to go to node 1.
fn pulls_until_advice(pages: impl IntoIterator<Item = u64>) -> Option<usize> {
    let mut adaptive = Adaptive::new();
    let mut totals = Totals::default();
    let mut now_ns = 1_000_000_000;
    adaptive.arrive(Luggage { jump_ns: 300_000, ..Luggage::default() }, 1, 300_000, &totals);
    pages.into_iter().position(|page| {
        if adaptive.advise(&view(0, now_ns), 1, page).is_some() {
            return true;
        }
        now_ns += 80_000;
        (totals.pulls, totals.pull_ns) = (totals.pulls + 1, totals.pull_ns + 80_000);
        adaptive.settle(&view(0, now_ns), &totals);
        false
    })
}

#[test]
fn execution_goes_once_the_rent_has_reached_the_price() {
    // two jumps of 300 us and eight pages that follow, at 80 us: 1.24 ms
    assert_eq!(pulls_until_advice(500..600), Some(16));
    assert_eq!(pulls_until_advice((0..100).map(|n| n * 7919)), Some(16));
}

#[test]
fn where_there_is_room_for_all_only_walks_count() {
    let mut adaptive = Adaptive::new();
    let mut totals = Totals::default();
    adaptive.arrive(Luggage { jump_ns: 300_000, ..Luggage::default() }, 1, 300_000, &totals);
    let mut asks = |page: u64, now_ns: u64| {
        let advice = adaptive.advise(&view(1, now_ns), 0, page);
        (totals.pulls, totals.pull_ns) = (totals.pulls + 1, totals.pull_ns + 80_000);
        adaptive.settle(&view(1, now_ns), &totals);
        advice
    };
    let second = 1_000_000_000;
    assert!((0..100).all(|n| asks((n * 7919) % 4999, second + n * 100_000).is_none()));
    assert!((0..20).any(|n| asks(7000 + n, 2 * second + n * 100_000) == Some(0)));
}

#[test]
fn a_node_that_may_not_execute_is_never_advised() {
    let mut adaptive = Adaptive::new();
    let memory_only = View { executes: 0b01, ..view(0, 0) };
    assert!((0..1000).all(|n| adaptive.advise(&memory_only, 1, n).is_none()));
    assert_eq!(adaptive.advise(&memory_only, 200, 1), None);
}

proptest! {
    #[test]
    fn what_travels_arrives(words: [u64; LUGGAGE_WORDS]) {
        let luggage = Luggage::from_words(words);
        prop_assert_eq!(Luggage::from_words(luggage.to_words()), luggage);
        prop_assert!(luggage.reluctance.iter().all(|doublings| *doublings <= RELUCTANCE_MAX));
    }
}
