//! Slabs in which nothing is go back to the peer, which then writes garbage into them.
#![cfg(not(loom))]

mod support;

use eos_verbs::TransportKind;
use support::peer::SLAB;
use support::{PEER, Rig, Terms};

/// Five slabs full at the peer, and one that is begun.
fn full_rig(wire: TransportKind) -> Rig {
    let mut rig = Rig::new(Terms { limit: 64, wire, ..Terms::default() });
    rig.map(0, 5 * SLAB + 65);
    rig.write_all(0, 5 * SLAB + 65);
    rig.evict_all();
    assert_eq!(rig.pager.nodes[1].limit, 8 * SLAB);
    rig
}

fn give_all_back(rig: &mut Rig) -> u32 {
    let mut slabs = 0;
    while rig.pager.give_slab_back(PEER).expect("told") {
        slabs += 1;
        rig.check();
    }
    slabs
}

#[test]
fn a_slab_goes_back_when_all_of_it_is_free_and_comes_again_when_it_is_needed() {
    for wire in [TransportKind::Shm, TransportKind::Tcp] {
        let mut rig = full_rig(wire);
        assert_eq!(rig.pager.free_slabs(PEER), 0);
        rig.pager.unmap(rig.range(40, 40)).expect("unmapped");
        assert_eq!(give_all_back(&mut rig), 0, "no slab is free as a whole");
        rig.pager.unmap(rig.range(80, 50)).expect("unmapped");
        let free = rig.pager.free_slabs(PEER);
        assert!(free > 0 && give_all_back(&mut rig) == free);
        assert_eq!(rig.pager.nodes[1].limit, u64::from(8 - free) * SLAB);
        assert_eq!(rig.pager.counters.given_back, u64::from(free) * SLAB);
        rig.read_all(0, 40);
        rig.map(40, 90);
        rig.write_all(40, 90);
        rig.read_all(0, 5 * SLAB + 65);
        assert!(rig.pager.nodes[1].limit > u64::from(8 - free) * SLAB, "leased again");
    }
}

#[test]
fn what_was_read_ahead_from_a_slab_that_went_is_not_taken_for_what_comes_into_it_later() {
    let mut rig = full_rig(TransportKind::Tcp);
    for round in 0..6 {
        // A scan that stops in the middle has read ahead.
        rig.read_all(0, 20 + round);
        rig.pager.unmap(rig.range(0, 5 * SLAB + 65)).expect("unmapped");
        assert!(give_all_back(&mut rig) > 0);
        assert_eq!(rig.pager.nodes[1].limit, 0);
        rig.map(0, 5 * SLAB + 65);
        rig.write_all(0, 5 * SLAB + 65);
        rig.evict_all();
    }
    rig.read_all(0, 5 * SLAB + 65);
}

#[test]
fn what_is_resident_at_the_peer_counts() {
    let mut rig = Rig::new(Terms { limit: 256, peer_executes: true, ..Terms::default() });
    rig.map(0, 200);
    rig.write_all(0, 200);
    rig.pager.evict(40).expect("evicted");
    assert_eq!(rig.pager.nodes[1].limit, 2 * SLAB);
    rig.write_all(0, 200);
    assert_eq!((rig.slots(), rig.pager.free_slabs(PEER)), (0, 2));
    rig.leave_at_peer(0, 5);
    assert_eq!((rig.slots(), rig.pager.free_slabs(PEER)), (5, 1), "five pages live there");
    assert_eq!(give_all_back(&mut rig), 1);
}
