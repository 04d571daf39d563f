//! Push and pull of real pages, between a pager for home and a memory-only peer in the same process.
#![cfg(not(loom))]

mod support;

use eos_pager::error::PagerError;
use eos_pager::fault::Fault;
use eos_pager::fetch::FETCH;
use eos_pager::slabs::{GIVE_BACK, LEASE};
use eos_verbs::TransportKind;
use support::peer::lease_reply;
use support::{PEER, Rig, Terms};

#[test]
fn pages_beyond_the_budget_come_back_over_either_wire() {
    for wire in [TransportKind::Shm, TransportKind::Tcp] {
        let mut rig = Rig::new(Terms { limit: 64, wire, ..Terms::default() });
        rig.map(0, 300);
        rig.write_all(0, 300);
        rig.read_all(0, 300);
        assert!(rig.pager.counters.resident_pages_max <= 64);
        assert!(rig.pager.counters.pushes >= 236 && rig.pager.counters.pulls >= 236, "{:?}", rig.pager.counters);
    }
}

#[test]
fn a_page_pulled_by_a_read_and_not_written_is_dropped_without_being_sent_again() {
    let mut rig = Rig::new(Terms::default());
    rig.map(0, 8);
    rig.write_all(0, 8);
    rig.evict_all();
    assert_eq!((rig.pager.counters.pushes, rig.slots()), (8, 8));
    rig.read_all(0, 8);
    rig.evict_all();
    assert_eq!((rig.pager.counters.pushes, rig.pager.counters.clean_drops, rig.slots()), (8, 8, 8));
    rig.read_all(0, 8);
}

#[test]
fn the_first_write_to_a_clean_page_gives_its_slot_up() {
    let mut rig = Rig::new(Terms::default());
    rig.map(0, 8);
    rig.write_all(0, 8);
    rig.evict_all();
    rig.read_all(0, 8);
    rig.write(3, 7).expect("written");
    assert_eq!(rig.slots(), 7);
    rig.evict_all();
    assert_eq!((rig.pager.counters.pushes, rig.slots()), (9, 8));
    assert_eq!(rig.read(3).expect("read"), 7);
}

#[test]
fn a_page_that_is_pulled_by_a_write_has_no_slot() {
    let mut rig = Rig::new(Terms::default());
    rig.map(0, 1);
    rig.write_all(0, 1);
    rig.evict_all();
    rig.write(0, 2).expect("written");
    assert_eq!((rig.slots(), rig.resident()), (0, 1));
    rig.check();
}

#[test]
fn a_page_of_zeros_is_never_sent() {
    let mut rig = Rig::new(Terms::default());
    rig.map(0, 30);
    (0..10).for_each(|page| assert_eq!(rig.read(page).expect("read"), 0));
    (10..30).for_each(|page| rig.write(page, 0).expect("written"));
    rig.evict_all();
    let counters = &rig.pager.counters;
    assert_eq!((counters.pushes, counters.zero_drops, rig.slots()), (0, counters.zero_fills, 0));
    (0..30).for_each(|page| assert_eq!(rig.read(page).expect("read"), 0));
}

#[test]
fn pinned_pages_stay() {
    let mut rig = Rig::new(Terms { limit: 40, ..Terms::default() });
    rig.map(0, 200);
    rig.write_all(0, 8);
    rig.pager.pin(rig.range(0, 8), true, 1);
    rig.write_all(8, 192);
    (0..8).for_each(|page| assert_eq!(rig.stamp(page), 1000 + page));
    rig.pager.unpin(1);
    rig.evict_all();
    rig.read_all(0, 200);
}

#[test]
fn full_peers_are_named_and_the_pager_works_on_when_memory_is_freed() {
    let mut rig = Rig::new(Terms { limit: 64, peer: 64, ..Terms::default() });
    rig.map(0, 300);
    let outcome = (0..300).try_for_each(|page| rig.write(page, 1000 + page).map_err(|error| (page, error)));
    let (written, error) = outcome.expect_err("there is room for 128 pages");
    assert!(matches!(error, PagerError::Full { .. }), "{error}");
    assert!(error.to_string().contains("peerb is full") && error.to_string().contains("home has used"), "{error}");
    assert_eq!(written, 128, "every page of both is used");
    rig.check();
    rig.pager.unmap(rig.range(0, 32)).expect("unmapped");
    rig.write_all(128, 31);
    rig.read_all(64, 95);
}

#[test]
fn clean_slots_are_reclaimed_when_the_peer_is_full() {
    let mut rig = Rig::new(Terms { limit: 64, peer: 64, ..Terms::default() });
    rig.map(0, 200);
    rig.write_all(0, 100);
    for page in (0..100).cycle() {
        rig.read(page).expect("read");
        if rig.slots() == 64 {
            break;
        }
    }
    rig.check();
    rig.write_all(100, 20);
    rig.read_all(0, 120);
}

#[test]
fn a_bad_message_is_refused() {
    let mut rig = Rig::new(Terms::default());
    let fetch = |count: u16, first: u64| {
        let [low, high] = count.to_le_bytes();
        [&[FETCH, 0, low, high, 0, 0, 0, 0][..], &first.to_le_bytes()].concat()
    };
    let first = rig.page(0).0;
    let bad = [
        vec![FETCH],
        fetch(1, first)[..15].to_vec(),
        [fetch(1, first), vec![0]].concat(),
        fetch(65, first),
        fetch(1, 0x5000_0000_0000 >> 12),
        fetch(64, u64::MAX - 3),
        fetch(1, u64::MAX),
        vec![LEASE, 1],
        vec![GIVE_BACK],
        [&[GIVE_BACK][..], &[0; 16]].concat(),
        // Home lends nothing.
        [&[GIVE_BACK, 0, 0, 0, 0, 0, 0, 0, 0, 1][..], &[0; 7]].concat(),
    ];
    for message in bad {
        let outcome = rig.pager.serve(PEER, &message);
        assert!(
            matches!(&outcome, Err(PagerError::Message { peer, .. }) if peer == "peerb"),
            "{message:?}: {outcome:?}"
        );
    }
    for other in [&[][..], &[99], &[2, 0]] {
        assert!(!rig.pager.serve(PEER, other).expect("not the pager's"));
    }
    rig.check();
}

#[test]
fn pages_that_cannot_be_sent_are_kept_and_pages_that_were_sent_are_not() {
    let mut rig = Rig::new(Terms::default());
    rig.map(0, 4);
    rig.write_all(0, 2);
    let fetch = |count: u8, first: u64| [&[FETCH, 0, count, 0, 0, 0, 0, 0][..], &first.to_le_bytes()].concat();
    let first = rig.page(0).0;
    for (count, first) in [(4, first), (2, first + 1), (1, first + 3), (1, first + 100)] {
        assert!(rig.pager.serve(PEER, &fetch(count, first)).expect("answered"));
    }
    // Known to be here, and gone all the same.
    eos_pager::kernel::drop_pages(rig.range(1, 1)).expect("dropped");
    rig.pager.serve(PEER, &fetch(2, first)).expect("answered");
    assert_eq!(rig.pager.would_pull_from(rig.page(0)), None, "still here");
    assert_eq!(rig.stamp(0), 1000);
    rig.pager.serve(PEER, &fetch(1, first)).expect("answered");
    assert_eq!(rig.pager.would_pull_from(rig.page(0)), Some(PEER), "sent, and so the peer's");
    assert_eq!(rig.present(0..1), 0);
}

#[test]
fn a_bad_grant_is_refused() {
    let short = lease_reply(0, 32)[..16].to_vec();
    let long = [lease_reply(0, 32), vec![0]].concat();
    let much = [lease_reply(0, 1 << 32), lease_reply(u64::MAX, 1), lease_reply(1, u64::MAX)];
    for reply in [vec![], vec![9; 17], short, long].into_iter().chain(much) {
        let shown = format!("{reply:?}");
        let answer = Box::new(move || reply.clone());
        let mut rig = Rig::new(Terms { limit: 16, answer: Some(answer), ..Terms::default() });
        rig.map(0, 64);
        let outcome = (0..64).try_for_each(|page| rig.write(page, 1));
        assert!(matches!(outcome, Err(PagerError::Message { .. })), "{shown}: {outcome:?}");
    }
}

#[test]
fn a_slab_that_is_granted_twice_is_refused() {
    for again in [0, 16, 31] {
        let mut firsts = [0, again].into_iter();
        let answer = Box::new(move || lease_reply(firsts.next().unwrap_or(0), 32));
        let mut rig = Rig::new(Terms { limit: 16, answer: Some(answer), ..Terms::default() });
        rig.map(0, 64);
        let outcome = (0..64).try_for_each(|page| rig.write(page, 1));
        assert!(matches!(outcome, Err(PagerError::Message { .. })), "{again}: {outcome:?}");
    }
}

#[test]
fn a_fault_where_nothing_is_mapped_is_the_programs_own() {
    let mut rig = Rig::new(Terms::default());
    let outcome = rig.pager.fault(rig.page(0), true).expect("no error of the pager");
    assert_eq!(outcome, Fault::NotOurs);
    assert_eq!(rig.pager.would_pull_from(rig.page(0)), None);
}
