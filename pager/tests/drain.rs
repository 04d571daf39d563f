//! A peer that wants slabs back gets them: pages go to another peer, or home, or stay where nobody has room.
#![cfg(not(loom))]

mod support;

use eos_pager::drain::{Drain, Drained};
use eos_pager::homecoming::Search;
use eos_verbs::TransportKind;
use support::peer::SLAB;
use support::{PEER, Rig, SECOND, Terms};

const WIRES: [TransportKind; 2] = [TransportKind::Shm, TransportKind::Tcp];

/// 200 pages, home holds 64 of them at most, the peer the rest: the second one is found full at first.
fn rig(terms: Terms) -> Rig {
    let mut rig = Rig::new(Terms { limit: 400, peer_executes: true, ..terms });
    while rig.pager.follow_budget(64).expect("followed") {}
    if rig.pager.nodes.len() > 2 {
        rig.pager.nodes[2].exhausted = true;
    }
    rig.map(0, 200);
    rig.write_all(0, 200);
    rig.evict_all();
    if rig.pager.nodes.len() > 2 {
        rig.pager.nodes[2].exhausted = false;
    }
    rig
}

/// Drains until the peer has all that it wants, or nobody has room. Returns what came last.
fn drain(rig: &mut Rig) -> Drained {
    let mut drain = Drain::of(PEER);
    let mut last = Drained::Nothing;
    while rig.pager.nodes[1].owed > 0 && !matches!(last, Drained::NoRoom) {
        last = rig.pager.drain(&mut drain).expect("drained");
        rig.check();
        assert!(last != Drained::Nothing, "it lends something still");
    }
    last
}

#[test]
fn pages_go_to_another_peer_and_all_slabs_back() {
    for wire in WIRES {
        let mut rig = rig(Terms { wire, second: 4096, ..Terms::default() });
        let lent = rig.pager.nodes[1].limit;
        rig.peer_wants(lent / SLAB);
        assert_eq!(drain(&mut rig), Drained::Gave(SLAB));
        assert_eq!((rig.pager.nodes[1].limit, rig.pager.held(PEER)), (0, 0));
        assert!(rig.pager.held(SECOND) >= 200 - 64, "home keeps some room for itself");
        rig.read_all(0, 200);
        rig.write_all(0, 200);
        assert_eq!(rig.pager.held(PEER), 0, "it lends nothing any more");
        assert_eq!(rig.pager.counters.given_back, lent);
    }
}

#[test]
fn one_slab_of_several_goes_and_the_others_stay_in_use() {
    let mut rig = rig(Terms { second: 4096, ..Terms::default() });
    let lent = rig.pager.nodes[1].limit;
    rig.peer_wants(1);
    assert!(matches!(drain(&mut rig), Drained::Gave(_)));
    assert_eq!(rig.pager.nodes[1].limit, lent - SLAB);
    assert!(rig.pager.held(SECOND) <= SLAB);
    rig.read_all(0, 200);
}

#[test]
fn what_nobody_has_room_for_stays_and_is_used_on() {
    let mut rig = rig(Terms::default());
    let lent = rig.pager.nodes[1].limit;
    rig.read_all(0, 64);
    rig.peer_wants(lent / SLAB);
    assert_eq!(drain(&mut rig), Drained::NoRoom);
    assert!(rig.pager.nodes[1].limit > 0 && rig.pager.nodes[1].limit <= lent);
    assert!(rig.pager.held(PEER) >= 136);
    // Under pressure the run goes on with what it has.
    rig.read_all(0, 200);
    rig.write_all(0, 200);
}

#[test]
fn what_is_mapped_elsewhere_goes_too() {
    for (wire, second) in [(TransportKind::Shm, 4096), (TransportKind::Tcp, 4096), (TransportKind::Shm, 0)] {
        let mut rig = rig(Terms { wire, second, ..Terms::default() });
        rig.write_all(0, 20);
        rig.leave_at_peer(3, 9);
        if second == 0 {
            // All that is away fits home.
            rig.pager.unmap(rig.range(40, 160)).expect("unmapped");
        }
        rig.peer_wants(rig.pager.nodes[1].limit / SLAB);
        assert_eq!(drain(&mut rig), Drained::Gave(SLAB), "{wire:?} {second}");
        assert_eq!(rig.pager.nodes[1].resident, 0, "{wire:?} {second}");
        let count = if second == 0 { 40 } else { 200 };
        rig.read_all(0, count);
    }
}

#[test]
fn a_peer_that_changes_its_mind_keeps_its_loan_going() {
    let mut rig = rig(Terms { second: 4096, ..Terms::default() });
    let lent = rig.pager.nodes[1].limit;
    rig.peer_wants(2);
    let mut drain = Drain::of(PEER);
    assert_eq!(rig.pager.drain(&mut drain).expect("drained"), Drained::Moved);
    assert_eq!(rig.pager.nodes[1].limit, lent - SLAB, "closed");
    rig.peer_wants(0);
    assert_eq!(rig.pager.nodes[1].limit, lent, "open again");
    rig.check();
    rig.read_all(0, 200);
}

#[test]
fn clean_pages_give_their_copies_up() {
    let mut rig = rig(Terms::default());
    rig.pager.unmap(rig.range(50, 150)).expect("unmapped");
    rig.read_all(0, 50);
    assert!(rig.slots() > 0, "clean pages have copies at the peer");
    rig.peer_wants(rig.pager.nodes[1].limit / SLAB);
    assert!(matches!(drain(&mut rig), Drained::Gave(_)));
    assert_eq!(rig.slots(), 0);
    rig.read_all(0, 50);
}

/// From wherever the search has come, and once more from the beginning.
fn bring_all_home(rig: &mut Rig, search: &mut Search) {
    for _ in 0..3 {
        while rig.pager.bring_home(search, 64).expect("brought") > 0 {
            rig.check();
        }
    }
}

#[test]
fn pages_come_home_in_the_order_of_their_addresses_and_never_over_the_budget() {
    for wire in WIRES {
        let mut rig = rig(Terms { wire, second: 4096, ..Terms::default() });
        let mut search = Search::default();
        assert_eq!(rig.pager.bring_home(&mut search, 10).expect("brought"), 10);
        assert_eq!(rig.present(0..10), 10, "the first ones");
        let mut brought = 10;
        while brought < 64 {
            let more = rig.pager.bring_home(&mut search, 50).expect("brought");
            assert!(more > 0);
            brought += more;
            rig.check();
        }
        assert_eq!((rig.resident(), rig.pager.bring_home(&mut search, 50).expect("brought")), (64, 0));
        assert_eq!(rig.slots(), 200 - 64, "their slots are free");
        rig.read_all(0, 200);
        while rig.pager.follow_budget(300).expect("followed") {}
        bring_all_home(&mut rig, &mut search);
        assert_eq!(rig.resident(), 200, "all have come");
        rig.read_all(0, 200);
    }
}

#[test]
fn clean_pages_at_home_give_up_their_copies_too() {
    let mut rig = rig(Terms::default());
    while rig.pager.follow_budget(300).expect("followed") {}
    rig.read_all(0, 200);
    assert!(rig.slots() > 100, "clean pages have copies at the peer");
    bring_all_home(&mut rig, &mut Search::default());
    assert_eq!((rig.resident(), rig.slots()), (200, 0));
    rig.check();
    rig.write_all(0, 200);
    rig.evict_all();
    rig.read_all(0, 200);
}

#[test]
fn what_was_left_on_a_peer_comes_home() {
    let mut rig = rig(Terms::default());
    rig.write_all(10, 9);
    rig.leave_at_peer(10, 9);
    while rig.pager.follow_budget(300).expect("followed") {}
    let mut search = Search::default();
    bring_all_home(&mut rig, &mut search);
    assert_eq!(rig.pager.nodes[1].resident, 0);
    assert_eq!(rig.present(10..19), 9);
    rig.check();
    rig.read_all(0, 200);
}
