//! The slot allocator against a set of taken numbers.
#![cfg(not(loom))]

use std::collections::BTreeSet;
use std::ops::Range;

use eos_pager::slots::SlotAllocator;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Grow(u32),
    Run(u32),
    /// Frees the n-th taken slot.
    Free(usize),
    /// Marks the n-th free slot.
    Set(usize),
    /// A slab comes, at any place.
    Lend(Range<u32>),
    /// It goes.
    Unlend(Range<u32>),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (0..200u32).prop_map(Step::Grow),
        6 => (0..80u32).prop_map(Step::Run),
        8 => any::<usize>().prop_map(Step::Free),
        2 => any::<usize>().prop_map(Step::Set),
        2 => any_slab().prop_map(Step::Lend),
        4 => any_slab().prop_map(Step::Unlend),
    ]
}

fn any_slab() -> impl Strategy<Value = Range<u32>> {
    (0..300u32, 0..120u32).prop_map(|(first, count)| first..first + count)
}

fn take_step(step: Step, slots: &mut SlotAllocator, lent: &mut BTreeSet<u32>, taken: &mut BTreeSet<u32>) {
    match step {
        Step::Grow(more) => {
            let end = lent.last().map_or(0, |last| last + 1);
            slots.grow(more);
            lent.extend(end..end + more);
        }
        Step::Lend(slab) => {
            let new = !slab.is_empty() && slab.clone().all(|index| !lent.contains(&index));
            assert_eq!(slots.lend(slab.clone()), new);
            if new {
                lent.extend(slab);
            }
        }
        Step::Unlend(slab) => {
            let free = |index| lent.contains(&index) && !taken.contains(&index);
            let goes = !slab.is_empty() && slab.clone().all(free);
            assert_eq!(slots.unlend(slab.clone()), goes);
            if goes {
                lent.retain(|index| !slab.contains(index));
            }
        }
        Step::Run(max) => match slots.alloc_run(max) {
            Some((first, count)) => {
                assert!(count >= 1 && count <= max);
                assert!((first..first + count).all(|index| lent.contains(&index)), "a slot that is not lent");
                assert!((first..first + count).all(|index| taken.insert(index)), "a slot was given twice");
            }
            None => assert!(max == 0 || taken.len() == slots.capacity() as usize, "said full and was not"),
        },
        Step::Free(n) if !taken.is_empty() => {
            let index = *taken.iter().nth(n % taken.len()).expect("in range");
            taken.remove(&index);
            assert!(slots.free(index));
        }
        Step::Set(n) => {
            let free: Vec<u32> = lent.difference(taken).copied().collect();
            if !free.is_empty() {
                let index = free[n % free.len()];
                taken.insert(index);
                assert!(slots.set(index));
            }
        }
        Step::Free(_) => {}
    }
}

proptest! {
    #[test]
    fn slots_are_given_once_and_are_said_to_be_gone_only_when_they_are(steps in prop::collection::vec(any_step(), 1..120)) {
        let mut slots = SlotAllocator::new();
        let (mut lent, mut taken) = (BTreeSet::new(), BTreeSet::new());
        for step in steps {
            take_step(step, &mut slots, &mut lent, &mut taken);
            prop_assert_eq!((slots.used() as usize, slots.capacity() as usize), (taken.len(), lent.len()));
            let end = lent.last().map_or(0, |last| last + 1);
            for index in 0..end + 70 {
                prop_assert_eq!(slots.is_used(index), taken.contains(&index));
                prop_assert_eq!(slots.is_lent(&(index..index + 1)), lent.contains(&index));
                let wide = index..index + 70;
                prop_assert_eq!(slots.is_free(wide.clone()), taken.range(wide).next().is_none());
            }
            // What another node hears is all there is to know.
            let mut other = SlotAllocator::new();
            prop_assert!(other.set_lent(slots.lent().to_vec()));
            prop_assert_eq!(other.lent(), slots.lent());
        }
    }
}

#[test]
fn slots_of_one_push_after_another_lie_together() {
    let mut slots = SlotAllocator::new();
    slots.grow(100);
    assert_eq!(slots.alloc_run(30), Some((0, 30)));
    assert_eq!(slots.alloc_run(30), Some((30, 30)));
    slots.free(3);
    assert_eq!(slots.alloc_run(50), Some((60, 40)));
    assert_eq!(slots.alloc(), Some(3));
    assert_eq!(slots.alloc(), None);
}

#[test]
fn ranges_that_do_not_ascend_with_gaps_are_refused() {
    let mut slots = SlotAllocator::of(10);
    for lent in [vec![3..3, 5..6], vec![5..6, 0..1], vec![0..5, 4..9], vec![0..5, 5..9]] {
        assert!(!slots.set_lent(lent));
        assert_eq!(slots, SlotAllocator::of(10));
    }
}
