use std::collections::{BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;

fn queues(pages: impl IntoIterator<Item = u64>) -> Queues {
    let mut queues = Queues::new(512);
    pages.into_iter().for_each(|page| queues.come(page, |_| true).expect("room"));
    queues
}

fn evict(queues: &mut Queues, count: usize) -> Vec<u64> {
    (0..count).filter_map(|_| queues.next_victim(|_| Verdict::Evict)).collect()
}

#[test]
fn pages_that_are_new_leave_in_the_order_in_which_they_came() {
    let mut queues = queues(0..64);
    assert_eq!(evict(&mut queues, 60), (0..60).collect::<Vec<_>>());
}

#[test]
fn a_page_that_comes_back_soon_outlives_a_scan() {
    let mut queues = queues(0..64);
    evict(&mut queues, 32);
    (0..8).for_each(|page| queues.come(page, |_| true).expect("room"));
    for page in 1000..2000 {
        queues.come(page, |_| true).expect("room");
        let victim = evict(&mut queues, 1)[0];
        assert!(victim >= 32, "{victim} left, which had come back");
    }
}

#[test]
fn a_page_that_comes_back_late_is_new_again() {
    let mut queues = queues(0..64);
    evict(&mut queues, 1);
    for page in 1000..1100 {
        queues.come(page, |_| true).expect("room");
        evict(&mut queues, 1);
    }
    queues.come(0, |_| true).expect("room");
    assert!(evict(&mut queues, 64).contains(&0));
}

#[test]
fn pinned_pages_are_kept_and_the_search_ends() {
    let mut queues = queues(0..40);
    let mut asked = 0;
    let victim = queues.next_victim(|_| {
        asked += 1;
        Verdict::Keep
    });
    assert_eq!((victim, queues.len()), (None, 40));
    assert!(asked <= 120, "asked {asked} times");
    assert_eq!(queues.next_victim(|page| if page == 17 { Verdict::Evict } else { Verdict::Keep }), Some(17));
    assert_eq!(Queues::new(0).next_victim(|_| Verdict::Evict), None);
    assert_eq!(Queues::new(0).come(1, |_| true), Err(RingFull));
}

#[test]
fn when_there_is_no_order_one_turn_passes_every_page() {
    let mut queues = queues(0..64);
    evict(&mut queues, 16);
    (0..8).for_each(|page| queues.come(page, |_| true).expect("room"));
    let all: BTreeSet<u64> = queues.iter().collect();
    queues.mix(|_| true);
    let mut passed = BTreeSet::new();
    for _ in 0..all.len() {
        let page = queues.next_victim(|_| Verdict::Evict).expect("there are pages");
        passed.insert(page);
        queues.come(page, |_| true).expect("room");
        queues.mix(|_| true);
    }
    assert_eq!(passed, all);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Come(u64),
    Victim([u8; 4]),
    Mix([bool; 4]),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..60_u64).prop_map(Step::Come),
        3 => any::<[u8; 4]>().prop_map(Step::Victim),
        1 => any::<[bool; 4]>().prop_map(Step::Mix),
    ]
}

proptest! {
    /// What the pager relies on: a page is in a queue from when it comes until it is evicted or forgotten, and a victim is found unless all are kept.
    #[test]
    fn no_page_is_lost_and_none_is_twice_in_the_queues(steps in prop::collection::vec(any_step(), 0..300)) {
        let mut queues = Queues::new(60);
        let mut inside = BTreeSet::new();
        for step in steps {
            match step {
                Step::Come(page) if inside.insert(page) => prop_assert!(queues.come(page, |_| true).is_ok()),
                Step::Come(_) => {}
                Step::Victim(codes) => {
                    let verdict = |page: u64| match codes[(page % 4) as usize] % 3 {
                        0 => Verdict::Evict,
                        1 => Verdict::Forget,
                        _ => Verdict::Keep,
                    };
                    let mut forgotten = Vec::new();
                    let victim = queues.next_victim(|page| {
                        let verdict = verdict(page);
                        if verdict == Verdict::Forget {
                            forgotten.push(page);
                        }
                        verdict
                    });
                    forgotten.iter().for_each(|page| assert!(inside.remove(page)));
                    match victim {
                        Some(page) => prop_assert!(inside.remove(&page) && verdict(page) == Verdict::Evict),
                        None => prop_assert!(inside.iter().all(|page| verdict(*page) == Verdict::Keep)),
                    }
                }
                Step::Mix(lives) => {
                    queues.mix(|page| lives[(page % 4) as usize]);
                    let now: BTreeSet<u64> = queues.iter().collect();
                    prop_assert!(inside.difference(&now).all(|page| !lives[(page % 4) as usize]));
                    inside = now;
                }
            }
            let mut now: Vec<u64> = queues.iter().collect();
            now.sort_unstable();
            prop_assert_eq!(&now, &inside.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(queues.len(), now.len());
        }
    }

    /// Without pages that come back it is a queue.
    #[test]
    fn pages_that_never_come_back_leave_as_from_one_queue(evictions in prop::collection::vec(0..4_usize, 0..100)) {
        let (mut queues, mut model) = (Queues::new(512), VecDeque::new());
        for (page, count) in (0..).zip(evictions) {
            queues.come(page, |_| true).expect("room");
            model.push_back(page);
            for _ in 0..count {
                prop_assert_eq!(queues.next_victim(|_| Verdict::Evict), model.pop_front());
            }
        }
    }
}
