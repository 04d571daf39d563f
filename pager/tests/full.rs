//! Every page of this node and of its peer is taken.
#![cfg(not(loom))]

mod support;

use eos_pager::error::PagerError;
use eos_pager::layout::Prot;
use eos_policy::torture::SplitMix64;
use eos_verbs::TransportKind;
use support::{READ_WRITE, Rig, Terms};

const LIMIT: u64 = 64;
const PEER_PAGES: u64 = 64;
const ALL: u64 = LIMIT + PEER_PAGES;

/// A rig in which no more than [`ALL`] pages have room.
fn tight(wire: TransportKind) -> Rig {
    let mut rig = Rig::new(Terms { limit: LIMIT, peer: PEER_PAGES, wire, ..Terms::default() });
    rig.map(0, ALL);
    rig
}

/// Reads and writes at random; every read finds what was written last.
fn use_at_random(rig: &mut Rig, accesses: u64) {
    let mut stamps: Vec<u64> = (0..ALL).map(|page| 1000 + page).collect();
    let mut random = SplitMix64::new(1);
    for access in 0..accesses {
        let page = random.below(ALL);
        if random.below(2) == 0 {
            stamps[page as usize] = 10_000 + access;
            rig.write(page, 10_000 + access).expect("written");
        } else {
            assert_eq!(rig.read(page).expect("read"), stamps[page as usize], "page {page} at access {access}");
        }
        if access % 50 == 0 {
            rig.check();
        }
    }
    for (page, stamp) in (0..).zip(stamps) {
        assert_eq!(rig.read(page).expect("read"), stamp, "page {page} at the end");
    }
    rig.check();
}

#[test]
fn a_program_whose_pages_fill_everything_to_the_last_one_runs_on() {
    for wire in [TransportKind::Shm, TransportKind::Tcp] {
        let mut rig = tight(wire);
        rig.write_all(0, ALL);
        assert_eq!((rig.resident(), rig.slots()), (LIMIT, PEER_PAGES), "exactly full");
        use_at_random(&mut rig, 2000);
        assert_eq!((rig.resident(), rig.slots()), (LIMIT, PEER_PAGES), "still so");
        assert!(rig.pager.counters.swaps > 500, "{:?}", rig.pager.counters);
        assert!(rig.pager.counters.resident_pages_max <= LIMIT);
    }
}

#[test]
fn the_page_after_the_last_has_no_room_and_nothing_is_lost() {
    let mut rig = tight(TransportKind::Shm);
    rig.write_all(0, ALL);
    rig.map(ALL, 1);
    let outcome = rig.write(ALL, 1);
    assert!(matches!(outcome, Err(PagerError::Full { .. })), "{outcome:?}");
    rig.check();
    use_at_random(&mut rig, 200);
}

#[test]
fn a_full_node_swaps_clean_and_unreadable_pages_too() {
    let mut rig = tight(TransportKind::Shm);
    rig.write_all(0, ALL);
    rig.pager.protect(rig.range(100, 28), Prot::NONE).expect("protected");
    (0..100).for_each(|page| assert_eq!(rig.read(page).expect("read"), 1000 + page));
    (0..50).for_each(|page| assert_eq!(rig.read(page).expect("read"), 1000 + page));
    rig.check();
    rig.pager.protect(rig.range(100, 28), READ_WRITE).expect("protected");
    rig.read_all(0, ALL);
    // With a slot to spare, reads make clean pages again, which are victims that need no slot.
    rig.pager.discard(rig.range(0, 1), libc::MADV_DONTNEED).expect("discarded");
    rig.read_all(1, ALL - 1);
    rig.write(0, 1000).expect("written");
    use_at_random(&mut rig, 500);
}

#[test]
fn a_full_node_swaps_with_pages_that_stayed_on_another() {
    for wire in [TransportKind::Shm, TransportKind::Tcp] {
        let mut rig = tight(wire);
        rig.write_all(0, 100);
        rig.leave_at_peer(90, 10);
        rig.write_all(100, ALL - 100);
        assert_eq!((rig.resident(), rig.slots()), (LIMIT, PEER_PAGES), "exactly full");
        use_at_random(&mut rig, 500);
        assert_eq!(rig.pager.nodes[1].resident, 0, "all were fetched");
    }
}

#[test]
fn pinned_pages_are_not_swapped_and_when_all_are_nothing_is_lost() {
    let mut rig = tight(TransportKind::Shm);
    rig.write_all(0, ALL);
    let resident = (0..ALL).filter(|page| rig.pager.would_pull_from(rig.page(*page)).is_none());
    let resident: Vec<u64> = resident.collect();
    let elsewhere: Vec<u64> = (0..ALL).filter(|page| !resident.contains(page)).collect();
    resident[1..].iter().for_each(|page| rig.pager.pin(rig.range(*page, 1), true, 1));
    assert_eq!(rig.read(elsewhere[0]).expect("one may go"), 1000 + elsewhere[0]);
    assert!(rig.pager.would_pull_from(rig.page(resident[0])).is_some(), "it went");
    rig.pager.pin(rig.range(elsewhere[0], 1), true, 1);
    let outcome = rig.read(elsewhere[1]);
    assert!(matches!(outcome, Err(PagerError::Full { .. })), "{outcome:?}");
    rig.check();
    rig.pager.unpin(1);
    rig.read_all(0, ALL);
}
