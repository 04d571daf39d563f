//! The packing of entries, and which changes of them are legal.
#![cfg(not(loom))]

use eos_pager::entry::{Entry, SlotRef, State};
use eos_pager::protocol::{self, is_legal};
use eos_pager::sync::AtomicU64;
use eos_verbs::NodeId;
use proptest::prelude::*;

const STATES: [State; 6] =
    [State::Absent, State::Resident, State::Pushing, State::Pulling, State::Remote, State::Replica];

fn any_node() -> impl Strategy<Value = NodeId> {
    (0..16u8).prop_map(NodeId)
}

fn any_slot() -> impl Strategy<Value = SlotRef> {
    (any_node(), any::<u32>()).prop_map(|(node, index)| SlotRef { node, index })
}

proptest! {
    #[test]
    fn every_field_keeps_to_its_own_bits(
        start in any::<u64>(), state in 0..6usize, owner in any_node(), slot in any_slot(), stale in any::<u16>(),
        flags in any::<[bool; 3]>(),
    ) {
        let entry = Entry::from_raw(start)
            .with_stale_mask(stale).with_noread(flags[0]).with_slot(slot).with_queued(flags[1])
            .with_state(STATES[state]).with_clean(flags[2]).with_owner(owner);
        prop_assert_eq!(entry.state(), STATES[state]);
        prop_assert_eq!((entry.owner(), entry.stale_mask()), (owner, stale));
        prop_assert_eq!([entry.noread(), entry.queued(), entry.is_clean()], flags);
        let holds = match STATES[state] {
            State::Remote | State::Pushing => true,
            State::Resident | State::Pulling => flags[2],
            State::Absent | State::Replica => false,
        };
        prop_assert_eq!(entry.slot(), holds.then_some(slot));
        prop_assert_eq!(entry.without_slot().is_clean(), false);
        prop_assert_eq!(entry.cleared().raw() & !(0xffff << 16 | 1 << 6), 0);
        prop_assert_eq!(Entry::from_untrusted(entry.raw()), Some(entry));
        prop_assert_eq!(Entry::from_untrusted(entry.raw() | 0xf), None);
    }

    #[test]
    fn flags_may_change_in_any_state_and_a_slot_may_not_change_into_another(
        state in 0..6usize, a in any_slot(), b in any_slot(), stale in any::<u16>(), flags in any::<[bool; 2]>(),
    ) {
        let entry = Entry::ABSENT.with_state(STATES[state]).with_clean(true).with_slot(a);
        let flagged = entry.with_queued(flags[0]).with_noread(flags[1]).with_stale_mask(stale);
        prop_assert!(is_legal(entry, flagged) && is_legal(flagged, entry));
        for to in STATES {
            let other = Entry::ABSENT.with_state(to).with_clean(true).with_slot(b);
            let moved = entry.slot().is_some() && other.slot().is_some() && a != b;
            prop_assert!(!(moved && is_legal(entry, other)), "{:?} -> {:?}", entry, other);
        }
    }
}

#[test]
fn the_bits_are_those_of_the_doc_table() {
    let slot = SlotRef { node: NodeId(5), index: 0xdead_beef };
    let entry = Entry::remote(slot).with_stale_mask(0x1234).with_owner(NodeId(7)).with_noread(true);
    assert_eq!(entry.raw(), 0xdead_beef_1234_5784);
    let flags = Entry::ABSENT.with_clean(true).with_queued(true);
    assert_eq!(flags.raw(), 0x50);
    assert_eq!(Entry::resident(NodeId(2)).raw(), 0x201);
    assert_eq!(slot.offset(), 0xdead_beef * 4096);
}

#[test]
fn states_follow_each_other_only_as_the_diagram_says() {
    use State::*;
    let legal = [
        (Absent, vec![Absent, Resident, Pulling, Replica]),
        (Resident, vec![Absent, Resident, Pushing, Pulling]),
        (Pushing, vec![Resident, Pushing, Remote]),
        (Pulling, vec![Absent, Resident, Pulling, Replica]),
        (Remote, vec![Absent, Remote]),
        (Replica, vec![Absent, Resident, Replica]),
    ];
    for (from, to) in legal {
        for state in STATES {
            // No CLEAN: so Pulling has no slot, and the step from and to Remote needs one.
            let step = (Entry::ABSENT.with_state(from), Entry::ABSENT.with_state(state));
            assert_eq!(is_legal(step.0, step.1), to.contains(&state), "{from:?} -> {state:?}");
        }
    }
    let slot = SlotRef { node: NodeId(1), index: 4 };
    let pulling = Entry::remote(slot).with_state(Pulling).with_clean(true);
    assert!(is_legal(Entry::remote(slot), pulling) && is_legal(pulling, Entry::remote(slot)));
    let clean = pulling.with_state(Resident);
    assert!(is_legal(pulling, clean) && is_legal(clean, clean.without_slot()));
    assert!(!is_legal(clean.without_slot(), clean), "a dirty page is not clean without a push");
    assert!(!is_legal(clean, clean.with_owner(NodeId(3))), "a page changes its owner by a pull only");
}

#[test]
fn a_replica_is_fetched_and_a_failed_fetch_leaves_nothing() {
    let cell = AtomicU64::new(0);
    let before = protocol::begin_replica(&cell, NodeId::HOME).expect("absent");
    assert_eq!(protocol::abort_pull(&cell, before), Entry::ABSENT);
    protocol::begin_replica(&cell, NodeId(2)).expect("absent");
    assert_eq!(protocol::finish_replica(&cell).state(), State::Replica);
    assert!(protocol::begin_pull(&cell, NodeId(1)).is_err());
}

#[test]
fn whoever_waits_for_a_moving_page_sees_it_settled() {
    let me = NodeId(1);
    let cell = AtomicU64::new(Entry::resident(me).raw());
    protocol::begin_push(&cell, me, SlotRef { node: NodeId(2), index: 3 }).expect("resident");
    std::thread::scope(|scope| {
        let waiters: Vec<_> = (0..3).map(|_| scope.spawn(|| protocol::wait_settled(&cell).state())).collect();
        std::thread::sleep(std::time::Duration::from_millis(5));
        protocol::finish_push(&cell);
        for waiter in waiters {
            assert_eq!(waiter.join().expect("ends"), State::Remote);
        }
    });
}

#[test]
fn a_swap_gives_the_slot_of_a_page_to_its_victim_before_the_page_is_there() {
    let me = NodeId(1);
    let slot = SlotRef { node: NodeId(2), index: 3 };
    let (page, victim) = (AtomicU64::new(Entry::remote(slot).raw()), AtomicU64::new(Entry::resident(me).raw()));
    protocol::begin_pull(&page, me).expect("remote");
    let before = protocol::hold_bytes(&page, me);
    assert_eq!(before.slot(), Some(slot));
    let held = protocol::load(&page);
    assert_eq!((held.state(), held.slot(), held.owner()), (State::Pulling, None, me), "nobody else has the bytes");
    assert!(!is_legal(held, before), "the slot may be another page's");
    protocol::begin_push(&victim, me, slot).expect("resident");
    assert_eq!(protocol::finish_push(&victim).slot(), Some(slot));
    let (_, page) = protocol::finish_pull(&page, me, true);
    assert!(page.is_resident_on(me) && page.slot().is_none(), "there is no slot to keep");
}
