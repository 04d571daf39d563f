use proptest::prelude::*;

use super::*;

fn view(me: u8, now_ns: u64) -> View {
    let mut held = [0; NODES];
    let mut room = [0; NODES];
    (held[0], held[1], room[1]) = (1000, 1000, 100_000);
    View { me, held, room, executes: 0b11, home_budget: 1000, now_ns }
}

/// Of jumps at 300 us and pulls at 80.
fn known_prices() -> Luggage {
    let mut prices = Prices::default();
    (0..5).for_each(|_| prices.jumped(300_000));
    prices.pulled(4000, 4000 * 80_000);
    Luggage { prices, ..Luggage::default() }
}

/// Pulls these pages at 80 us each, after a second of work; returns how many it took until the advice to go to node 1.
fn pulls_until_advice(pages: impl IntoIterator<Item = u64>) -> Option<usize> {
    let mut adaptive = Adaptive::new();
    let mut totals = Totals::default();
    let mut now_ns = 1_000_000_000;
    adaptive.arrive(known_prices(), 1, 300_000, &totals);
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
    adaptive.arrive(known_prices(), 1, 300_000, &totals);
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

/// What gathers with each of these pages, pulled from home on node 1, which has room for all.
fn gathered_with(pages: impl IntoIterator<Item = u64>, view: impl Fn(u64) -> View, from: u8) -> Vec<u32> {
    let mut adaptive = Adaptive::new();
    let mut totals = Totals::default();
    adaptive.arrive(known_prices(), 1, 300_000, &totals);
    let pull = |(page, now_ns): (u64, u64)| {
        adaptive.advise(&view(now_ns), from, page);
        let pages = adaptive.gathers(&view(now_ns), from);
        (totals.pulls, totals.pull_ns) = (totals.pulls + u64::from(pages), totals.pull_ns + u64::from(pages) * 40_000);
        adaptive.settle(&view(now_ns), &totals);
        pages
    };
    pages.into_iter().zip((1..).map(|n| n * 1_000_000_000)).map(pull).collect()
}

#[test]
fn the_longer_execution_stays_where_all_have_room_the_more_pages_gather_there() {
    let scattered = || (0..2000).map(|n| (n * 7919) % 4999);
    let pages = gathered_with(scattered(), |now_ns| view(1, now_ns), 0);
    assert_eq!((pages[0], pages[1999]), (1, 64));
    assert!(pages.is_sorted(), "{pages:?}");
    // At most an eighth of what was asked for, with each.
    assert!((1..).zip(&pages).all(|(asked, pages)| *pages <= 1 + asked / 8), "{pages:?}");
    assert!(gathered_with(scattered(), |now_ns| view(0, now_ns), 1).iter().all(|pages| *pages == 1));
    let walk = gathered_with(0..200, |now_ns| view(1, now_ns), 0);
    assert!(walk.iter().all(|pages| *pages == 1), "{walk:?}");
}

#[test]
fn nothing_gathers_that_the_ledger_cannot_bear() {
    let nothing_worked = |_| View { home_budget: 20, ..view(1, 1) };
    let pages = gathered_with((0..400).map(|n| (n * 7919) % 4999), nothing_worked, 0);
    assert!(pages.iter().sum::<u32>() < 500 && pages.iter().all(|pages| *pages < 20), "{pages:?}");
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
