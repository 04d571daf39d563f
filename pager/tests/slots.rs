//! The slot allocator against a set of taken numbers.
#![cfg(not(loom))]

use std::collections::BTreeSet;

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
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (0..200u32).prop_map(Step::Grow),
        6 => (0..80u32).prop_map(Step::Run),
        8 => any::<usize>().prop_map(Step::Free),
        2 => any::<usize>().prop_map(Step::Set),
    ]
}

fn take_step(step: Step, slots: &mut SlotAllocator, taken: &mut BTreeSet<u32>) {
    match step {
        Step::Grow(more) => slots.grow(more),
        Step::Run(max) => match slots.alloc_run(max) {
            Some((first, count)) => {
                assert!(count >= 1 && count <= max && first + count <= slots.capacity());
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
            let free: Vec<u32> = (0..slots.capacity()).filter(|index| !taken.contains(index)).collect();
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
        let mut taken = BTreeSet::new();
        for step in steps {
            take_step(step, &mut slots, &mut taken);
            prop_assert_eq!(slots.used() as usize, taken.len());
            prop_assert!((0..slots.capacity() + 70).all(|index| slots.is_used(index) == taken.contains(&index)));
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
