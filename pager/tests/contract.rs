//! The budget changes while the program runs.
#![cfg(not(loom))]

mod support;

use eos_pager::error::PagerError;
use eos_policy::torture::SplitMix64;
use support::{Rig, Terms};

const PAGES: u64 = 400;

fn rig(elastic: bool) -> Rig {
    let mut rig = Rig::new(Terms { limit: 512, peer: 1024, elastic, ..Terms::default() });
    rig.map(0, PAGES);
    rig
}

/// All the way to a budget.
fn follow(rig: &mut Rig, pages: u64) {
    while rig.pager.follow_budget(pages).expect("followed") {}
}

#[test]
fn a_smaller_budget_is_kept_at_once_and_a_larger_one_lets_pages_come_back() {
    let mut rig = rig(true);
    rig.write_all(0, PAGES);
    assert_eq!(rig.resident(), PAGES);
    follow(&mut rig, 100);
    assert!(rig.resident() <= 100, "{}", rig.resident());
    rig.check();
    rig.read_all(0, PAGES);
    assert!(rig.resident() <= 100);
    follow(&mut rig, 600);
    rig.read_all(0, PAGES);
    assert_eq!(rig.resident(), PAGES, "all have come home");
    rig.check();
}

#[test]
fn memory_that_was_left_to_the_kernel_is_taken_over_first() {
    let mut rig = rig(false);
    rig.write_all(0, PAGES);
    assert!(rig.pager.held_at_most() >= PAGES);
    follow(&mut rig, 64);
    assert!(rig.resident() <= 64, "{}", rig.resident());
    rig.read_all(0, PAGES);
    rig.check();
}

#[test]
fn budgets_at_random_lose_nothing() {
    let mut rig = rig(true);
    rig.write_all(0, PAGES);
    let mut stamps: Vec<u64> = (0..PAGES).map(|page| 1000 + page).collect();
    let mut random = SplitMix64::new(3);
    for step in 0..300 {
        let budget = 20 + random.below(600);
        // Sometimes the program goes on before the new budget is reached.
        if random.below(3) == 0 {
            let _ = rig.pager.follow_budget(budget).expect("followed");
        } else {
            follow(&mut rig, budget);
            assert!(rig.resident() <= budget, "step {step}");
        }
        for _ in 0..20 {
            let page = random.below(PAGES);
            if random.below(2) == 0 {
                stamps[page as usize] = 10_000 + step;
                rig.write(page, 10_000 + step).expect("written");
            } else {
                assert_eq!(rig.read(page).expect("read"), stamps[page as usize], "page {page}, step {step}");
            }
        }
        rig.check();
    }
}

#[test]
fn where_nobody_has_room_pages_stay_and_the_budget_is_what_is_here() {
    let mut rig = Rig::new(Terms { limit: 512, peer: 64, ..Terms::default() });
    rig.map(0, PAGES);
    rig.write_all(0, PAGES);
    loop {
        match rig.pager.follow_budget(100) {
            Ok(true) => {}
            Ok(false) | Err(PagerError::Full { .. }) => break,
            Err(error) => panic!("{error}"),
        }
    }
    assert!((PAGES - 64..=PAGES).contains(&rig.resident()), "{}", rig.resident());
    rig.check();
    rig.read_all(0, PAGES);
}
