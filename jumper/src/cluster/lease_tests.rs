use super::*;
use proptest::prelude::*;

fn join(pool: &LeasePool, terms: LeaseTerms) -> Lease {
    let file = pool.file().try_clone_to_owned().expect("a descriptor");
    Lease::join(file, terms).expect("the pool maps")
}

fn terms_of(pool: &mut LeasePool, limit: Option<u64>) -> LeaseTerms {
    pool.enter(limit).expect("a free number")
}

fn enter(pool: &mut LeasePool, limit: Option<u64>) -> Lease {
    let terms = terms_of(pool, limit);
    join(pool, terms)
}

#[test]
fn a_pool_is_cut_into_equal_slabs_and_little_is_lost() {
    let mib = |n: u64| n << 20;
    let cases = [
        (mib(2048), mib(64), 32),
        (mib(100), mib(50), 2),
        (mib(64), mib(64), 1),
        (mib(16), mib(16), 1),
        (mib(1), mib(1), 1),
        (5000, 4096, 1),
        (1, 4096, 1),
    ];
    for (total, slab, slabs) in cases {
        let pool = LeasePool::new(total.max(4096)).expect("a pool");
        assert_eq!((pool.slab_bytes, pool.total() / slab), (slab, slabs), "{total}");
    }
}

#[test]
fn a_worker_gets_what_is_free_and_not_more() {
    let mut pool = LeasePool::new(256 << 20).expect("a pool");
    let one = enter(&mut pool, None);
    let two = enter(&mut pool, None);
    assert_eq!((one.take(3), two.take(3), one.take(1)), (3, 1, 0));
    assert_eq!((one.held(), two.held(), pool.free()), (3, 1, 0));
    assert_eq!((one.give_back(2), two.take(9)), (2, 2));
    assert_eq!((one.held(), two.held()), (1, 3));
}

#[test]
fn a_worker_keeps_to_its_own_limit() {
    let mut pool = LeasePool::new(256 << 20).expect("a pool");
    let lease = enter(&mut pool, Some(65 << 20));
    assert_eq!((lease.take(4), lease.limit_bytes()), (2, 65 << 20));
}

#[test]
fn what_a_dead_worker_held_is_free_again_and_its_number_too() {
    let mut pool = LeasePool::new(128 << 20).expect("a pool");
    let terms = terms_of(&mut pool, None);
    let lease = join(&pool, terms);
    assert_eq!(lease.take(2), 2);
    drop(lease);
    assert_eq!((pool.held(terms.slot), pool.free()), (128 << 20, 0));
    assert_eq!(pool.leave(terms.slot), 128 << 20);
    assert_eq!((pool.free(), terms_of(&mut pool, None).slot), (128 << 20, terms.slot));
}

#[test]
fn there_are_at_most_64_workers() {
    let mut pool = LeasePool::new(1 << 20).expect("a pool");
    for _ in 0..MAX_WORKERS {
        terms_of(&mut pool, None);
    }
    assert_eq!(pool.enter(None), None);
}

#[test]
fn workers_that_take_at_the_same_time_never_get_more_than_there_is() {
    let mut pool = LeasePool::new(1000 * (64 << 20)).expect("a pool");
    let leases: Vec<Lease> = (0..8).map(|_| enter(&mut pool, None)).collect();
    let granted: u32 = std::thread::scope(|scope| {
        let greedy = |lease| move || (0..400).map(|_| Lease::take(lease, 1)).sum::<u32>();
        let threads: Vec<_> = leases.iter().map(|l| scope.spawn(greedy(l))).collect();
        threads.into_iter().map(|t| t.join().expect("no panic")).sum()
    });
    assert_eq!((granted, pool.free()), (1000, 0));
    assert_eq!(leases.iter().map(Lease::held).sum::<u32>(), 1000);
}

#[test]
fn a_file_of_the_wrong_size_is_refused() {
    let mut pool = LeasePool::new(256 << 20).expect("a pool");
    let mut terms = terms_of(&mut pool, None);
    terms.slabs = 4096;
    let file = pool.file().try_clone_to_owned().expect("a descriptor");
    assert!(Lease::join(file, terms).is_err());
}

proptest! {
    #[test]
    fn slabs_fit_the_pool_and_waste_little(total in 4096u64..1 << 44) {
        let slab = slab_bytes(total);
        prop_assert!(slab <= SLAB_BYTES_MAX && slab.is_multiple_of(4096) && slab > 0);
        let lost = total - total / slab * slab;
        prop_assert!(lost < slab.max(4096));
        prop_assert!(lost <= total / 10 || total < 32 << 20, "{} of {}", lost, total);
    }
}

const SLAB: u64 = 64 << 20;

#[test]
fn what_is_free_is_withheld_and_the_rest_asked_of_who_holds_most() {
    let mut pool = LeasePool::new(10 * SLAB).expect("a pool");
    let (one, two) = (enter(&mut pool, None), enter(&mut pool, None));
    assert_eq!((one.take(5), two.take(2)), (5, 2));
    pool.set_quota(8 * SLAB);
    assert_eq!((pool.free(), one.owed(), two.owed()), (SLAB, 0, 0));
    pool.set_quota(4 * SLAB);
    assert_eq!((pool.free(), one.owed(), two.owed(), pool.lent()), (0, 3, 0, 7 * SLAB));
    assert_eq!(one.take(1), 0, "it owes some");
    assert_eq!((one.give_back(2), one.owed(), two.take(1)), (2, 1, 0), "what came back is nobody's");
    assert_eq!(pool.balance(), Shortage { owed: SLAB, stuck: 0 });
    one.hears(STUCK_FROM);
    assert_eq!(pool.balance(), Shortage { owed: SLAB, stuck: 0 }, "the other one is asked");
    assert_eq!((one.owed(), two.owed()), (0, 1));
    two.hears(STUCK_FROM);
    assert_eq!(pool.balance(), Shortage { owed: SLAB, stuck: SLAB });
    pool.set_quota(u64::MAX);
    assert_eq!((pool.balance(), pool.free()), (Shortage::default(), 5 * SLAB));
    assert_eq!((one.owed(), two.owed(), one.take(9)), (0, 0, 5));
}

#[test]
fn a_worker_that_dies_owes_nothing_and_leaves_what_was_asked_for() {
    let mut pool = LeasePool::new(4 * SLAB).expect("a pool");
    let terms = terms_of(&mut pool, None);
    let lease = join(&pool, terms);
    assert_eq!(lease.take(4), 4);
    pool.set_quota(SLAB);
    assert_eq!(lease.owed(), 3);
    drop(lease);
    pool.leave(terms.slot);
    assert_eq!((pool.balance(), pool.free()), (Shortage::default(), SLAB));
}

proptest! {
    /// Whatever is taken, given back and ordered: as much is owed as is lent too much, and no more than the quota is lent anew.
    #[test]
    fn what_is_lent_too_much_is_owed(steps in prop::collection::vec((0..3_usize, 0..4_u8, 0..9_u32), 1..80)) {
        let mut pool = LeasePool::new(8 * SLAB).expect("a pool");
        let leases = [enter(&mut pool, None), enter(&mut pool, None), enter(&mut pool, Some(3 * SLAB))];
        for (who, what, count) in steps {
            let before = pool.lent();
            match what {
                0 => drop(leases[who].take(count)),
                1 => drop(leases[who].give_back(count)),
                2 => pool.set_quota(u64::from(count) * SLAB),
                _ => leases[who].hears(count as u8),
            }
            prop_assert!(pool.lent() <= before.max(pool.quota()));
            let shortage = pool.balance();
            prop_assert_eq!(shortage.owed, pool.lent().saturating_sub(pool.quota()));
            let owed: u32 = leases.iter().map(Lease::owed).sum();
            prop_assert_eq!(u64::from(owed) * SLAB, shortage.owed);
            prop_assert!(pool.free() + pool.lent() <= pool.quota().max(pool.lent()));
        }
    }
}
