//! Pages that stayed resident on a node that execution has left, and that gather where it is now.

mod support;

use eos_pager::layout::Prot;
use eos_verbs::TransportKind;
use proptest::prelude::*;
use support::{Rig, Terms};

const WIRES: [TransportKind; 2] = [TransportKind::Shm, TransportKind::Tcp];

/// Pages 0 to 127 are stamped, and resident at the peer, which has lent all that it has.
fn left_behind(wire: TransportKind, limit: u64, peer: u64) -> Rig {
    let mut rig = Rig::new(Terms { limit, peer, wire, peer_executes: true, ..Terms::default() });
    rig.map(1000, limit + peer);
    rig.write_all(1000, limit + peer);
    rig.pager.unmap(rig.range(1000, limit + peer)).expect("unmapped");
    rig.map(0, 128);
    rig.write_all(0, 128);
    rig.leave_at_peer(0, 128);
    rig.check();
    rig
}

#[test]
fn a_block_of_neighbours_comes_with_a_page_and_stays_within_its_area() {
    for wire in WIRES {
        let mut rig = left_behind(wire, 256, 512);
        rig.pager.protect(rig.range(100, 28), Prot::READ).expect("protected");
        let mut pulls_of = |page: u64, pages: u32| {
            let before = rig.pager.counters.pulls;
            rig.pager.gather(pages);
            assert_eq!(rig.read(page).expect("read"), 1000 + page);
            rig.check();
            rig.pager.counters.pulls - before
        };
        assert_eq!(pulls_of(70, 1), 1);
        // 64 to 99, of which one is here: below and above it, what there is without a gap.
        assert_eq!(pulls_of(90, 64), 29);
        assert_eq!(pulls_of(65, 64), 6);
        assert_eq!(pulls_of(13, 11), 8);
        assert_eq!(pulls_of(127, u32::MAX), 28);
        rig.read_all(0, 128);
    }
}

#[test]
fn without_prefetch_and_once_the_caller_has_asked_what_came_pages_come_alone() {
    let mut rig = left_behind(TransportKind::Tcp, 256, 512);
    rig.pager.gather(64);
    rig.pager.take_along();
    rig.read(40).expect("read");
    assert_eq!(rig.pager.counters.pulls, 1);
    rig.pager.set_prefetch(false);
    rig.pager.gather(64);
    rig.read(20).expect("read");
    assert_eq!(rig.pager.counters.pulls, 2);
}

#[test]
fn where_there_is_no_room_for_a_block_the_page_comes_alone() {
    for wire in WIRES {
        let mut rig = left_behind(wire, 160, 160);
        rig.map(128, 192);
        rig.write_all(128, 192);
        rig.pager.gather(64);
        let before = rig.pager.counters.pulls;
        assert_eq!(rig.read(70).expect("read"), 1070);
        assert_eq!(rig.pager.counters.pulls - before, 1);
        rig.check();
        rig.read_all(0, 320);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn contents_and_books_stay_true_whatever_gathers(
        steps in prop::collection::vec((0..160u64, 0..100u32, any::<bool>()), 1..120),
        limit in 130..200u64,
        tcp: bool,
    ) {
        let wire = WIRES[usize::from(tcp)];
        let mut rig = left_behind(wire, limit, 256);
        rig.map(128, 32);
        let mut stamps: Vec<u64> = (0..160).map(|page| if page < 128 { 1000 + page } else { 0 }).collect();
        for (page, pages, write) in steps {
            rig.pager.gather(pages);
            if write {
                stamps[page as usize] += 1;
                rig.write(page, stamps[page as usize]).expect("written");
            }
            prop_assert_eq!(rig.read(page).expect("read"), stamps[page as usize]);
        }
        rig.check();
        for (page, stamp) in (0..).zip(stamps) {
            prop_assert_eq!(rig.read(page).expect("read"), stamp);
        }
        rig.check();
    }
}
