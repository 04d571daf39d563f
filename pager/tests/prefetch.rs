//! Prefetch in the pager: what comes along, what does not, and that contents and books stay true.
#![cfg(not(loom))]

mod support;

use eos_pager::layout::Prot;
use eos_verbs::TransportKind;
use support::{READ_WRITE, Rig, Terms};

const WIRES: [TransportKind; 2] = [TransportKind::Shm, TransportKind::Tcp];

/// Pages that are all in slots at the peer.
fn away(pages: u64, limit: u64, wire: TransportKind) -> Rig {
    let mut rig = Rig::new(Terms { limit, wire, peer_executes: true, ..Terms::default() });
    rig.map(0, pages);
    rig.write_all(0, pages);
    rig.evict_all();
    rig
}

#[test]
fn a_scan_faults_seldom_and_reads_what_was_written() {
    for wire in WIRES {
        let mut rig = away(1500, 1024, wire);
        // What came back soon stays, so later passes find some of it.
        for pulls in [1500..=1500, 500..=1500, 500..=1500] {
            let before = rig.pager.counters.clone();
            rig.read_all(0, 1500);
            let after = &rig.pager.counters;
            assert!(pulls.contains(&(after.pulls - before.pulls)), "{wire:?} {after:?}");
            assert!(after.faults - before.faults < 80, "{wire:?} {after:?}");
        }
        let verdicts = rig.pager.prefetch_verdicts();
        assert!(verdicts.used > 2500 && verdicts.wasted < 300, "{verdicts:?}");
    }
}

#[test]
fn walks_backwards_and_in_strides_are_followed() {
    for wire in WIRES {
        let mut rig = away(1500, 1024, wire);
        let before = rig.pager.counters.faults;
        for page in (0..1500).rev() {
            assert_eq!(rig.read(page).expect("read"), 1000 + page);
        }
        rig.check();
        assert!(rig.pager.counters.faults - before < 80, "{wire:?} {:?}", rig.pager.counters);
        rig.evict_all();
        let before = rig.pager.counters.clone();
        for page in (0..1500).step_by(11) {
            assert_eq!(rig.read(page).expect("read"), 1000 + page);
        }
        rig.check();
        assert!(rig.pager.counters.faults - before.faults < 40, "{wire:?} {:?}", rig.pager.counters);
        assert!(rig.pager.counters.pulls - before.pulls < 220, "{wire:?} nothing in between comes along");
    }
}

#[test]
fn pages_that_are_written_one_after_the_other_lose_their_slots() {
    for wire in WIRES {
        let mut rig = away(600, 1024, wire);
        let before = rig.pager.counters.faults;
        rig.write_all(0, 600);
        assert!(rig.pager.counters.faults - before < 80, "{wire:?} {:?}", rig.pager.counters);
        rig.evict_all();
        rig.read_all(0, 600);
        // read first, then written: clean pages become dirty together
        let before = rig.pager.counters.faults;
        rig.write_all(0, 600);
        let faults = rig.pager.counters.faults - before;
        assert!(faults < 60, "{wire:?} {faults} faults");
        rig.evict_all();
        rig.read_all(0, 600);
    }
}

#[test]
fn another_area_is_not_crossed_into() {
    let mut rig = away(400, 1024, TransportKind::Shm);
    rig.pager.protect(rig.range(200, 200), Prot::READ).expect("protected");
    rig.read_all(0, 200);
    assert_eq!((rig.present(0..200), rig.present(200..400)), (200, 0));
    rig.pager.unmap(rig.range(300, 100)).expect("unmapped");
    rig.read_all(200, 100);
    rig.pager.protect(rig.range(200, 100), READ_WRITE).expect("protected");
    rig.check();
}

#[test]
fn a_window_takes_a_small_share_of_the_budget_and_no_more_than_is_allowed() {
    for wire in WIRES {
        let mut rig = away(400, 64, wire);
        for page in 0..400 {
            let before = rig.pager.counters.prefetched;
            assert_eq!(rig.read(page).expect("read"), 1000 + page);
            assert!(rig.pager.counters.prefetched - before <= 8);
        }
        assert!(rig.pager.counters.prefetched > 200, "{:?}", rig.pager.counters);
        rig.evict_all();
        let before = rig.pager.counters.prefetched;
        for page in 0..400 {
            rig.pager.asks(1, 0);
            assert_eq!(rig.read(page).expect("read"), 1000 + page);
        }
        assert_eq!(rig.pager.counters.prefetched, before);
    }
}

#[test]
fn nothing_comes_along_when_prefetching_is_off() {
    let mut rig = away(400, 1024, TransportKind::Tcp);
    rig.pager.set_prefetch(false);
    rig.read_all(0, 400);
    assert_eq!((rig.pager.counters.pulls, rig.pager.counters.prefetched), (400, 0));
}

#[test]
fn what_was_read_ahead_is_not_used_when_the_slot_has_got_other_bytes() {
    let mut rig = away(300, 1024, TransportKind::Tcp);
    // the window after the last is on its way
    rig.read_all(0, 40);
    rig.pager.discard(rig.range(40, 260), libc::MADV_DONTNEED).expect("discarded");
    for page in 40..300 {
        rig.write(page, 7000 + page).expect("written");
    }
    rig.evict_all();
    for page in 40..300 {
        assert_eq!(rig.read(page).expect("read"), 7000 + page);
    }
    rig.read_all(0, 40);
}

#[test]
fn a_buffer_of_a_system_call_comes_in_few_reads() {
    for wire in WIRES {
        let mut rig = away(500, 1024, wire);
        rig.pager.ensure(rig.range(0, 500), false).expect("brought");
        assert_eq!(rig.present(0..500), 500);
        assert!(rig.pager.counters.prefetched > 480, "{:?}", rig.pager.counters);
        (0..500).for_each(|page| assert_eq!(rig.stamp(page), 1000 + page));
        rig.check();
    }
}

/// All pages once, in an order that no stride tells.
fn shuffled(count: u64) -> Vec<u64> {
    let mut pages: Vec<u64> = (0..count).collect();
    let mut random = eos_policy::torture::SplitMix64::new(7);
    (1..count).rev().for_each(|last| pages.swap(last as usize, random.below(last + 1) as usize));
    pages
}

#[test]
fn an_order_that_comes_again_is_followed_and_reads_what_was_written() {
    for wire in WIRES {
        let mut rig = away(1500, 400, wire);
        let order = shuffled(1500);
        let mut faults = Vec::new();
        for _ in 0..4 {
            let before = rig.pager.counters.faults;
            for page in &order {
                assert_eq!(rig.read(*page).expect("read"), 1000 + page);
            }
            rig.check();
            faults.push(rig.pager.counters.faults - before);
        }
        assert!(faults[0] > 1000 && faults[3] < 500, "{wire:?} {faults:?}");
        let verdicts = rig.pager.prefetch_verdicts();
        assert!(verdicts.wasted < verdicts.used / 8, "{verdicts:?}");
        // What came along was clean, and what is written now is what comes back.
        for page in &order {
            rig.write(*page, 5000 + page).expect("written");
        }
        rig.check();
        rig.evict_all();
        for page in &order {
            assert_eq!(rig.read(*page).expect("read"), 5000 + page);
        }
    }
}

#[test]
fn a_trail_that_passes_pages_twice_and_pages_that_are_gone_brings_each_once() {
    for wire in WIRES {
        let mut rig = away(900, 300, wire);
        // There and back, so that the turn has the same pages close to each other, and some have gone between the rounds.
        let there = shuffled(700);
        let order: Vec<u64> = there.iter().chain(there.iter().rev()).copied().collect();
        for round in 0..4 {
            for page in &order {
                let gone = round > 1 && page % 50 == 0;
                assert_eq!(
                    rig.read(*page).expect("read"),
                    if gone { 0 } else { 1000 + page },
                    "{wire:?} round {round}"
                );
            }
            rig.check();
            if round == 1 {
                for page in (0..700).step_by(50) {
                    rig.pager.discard(rig.range(page, 1), libc::MADV_DONTNEED).expect("discarded");
                }
            }
        }
        assert!(rig.pager.counters.prefetched > 1000, "{wire:?} {:?}", rig.pager.counters);
    }
}
