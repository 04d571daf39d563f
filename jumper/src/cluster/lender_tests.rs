use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::cluster::lease::{LeasePool, MAX_WORKERS};

const PAGE: usize = PAGE_SIZE as usize;

fn lender(pool: &mut LeasePool, limit: u64) -> RegionLender {
    let terms = pool.enter(Some(limit)).expect("a free number");
    assert!(usize::from(terms.slot) < MAX_WORKERS);
    let lease = Lease::join(pool.file().try_clone_to_owned().expect("a descriptor"), terms).expect("the pool maps");
    let region = Region::new(terms.limit_bytes as usize / PAGE * PAGE).expect("a region");
    RegionLender::new(lease, region)
}

/// Writes to the first page of a slab, as a peer would.
fn write(lender: &RegionLender, slab: &Range<u32>, value: u8) {
    // SAFETY: inside the region, which nobody else uses.
    unsafe { lender.region.base().add(slab.start as usize * PAGE).write(value) };
}

fn first_byte(lender: &RegionLender, slab: &Range<u32>) -> u8 {
    // SAFETY: as above.
    unsafe { *lender.region.base().add(slab.start as usize * PAGE) }
}

#[test]
fn what_one_run_gives_back_another_can_have() {
    let mut pool = LeasePool::new(128 << 20).expect("memory");
    let (mut first, mut second) = (lender(&mut pool, 128 << 20), lender(&mut pool, 128 << 20));
    let slabs = [first.lend().expect("a slab"), first.lend().expect("a slab")];
    assert_eq!((first.lend(), second.lend()), (None, None));
    write(&first, &slabs[0], 7);
    assert!(first.take_back(slabs[0].clone()));
    assert_eq!(first_byte(&first, &slabs[0]), 0, "the memory is the kernel's");
    assert_eq!(second.lend(), Some(slabs[0].clone()));
    assert_eq!((first.lend(), second.lend()), (None, None));
    assert_eq!(pool.free(), 0);
}

#[test]
fn a_limit_that_is_no_multiple_of_a_slab_makes_the_last_one_shorter() {
    let mut pool = LeasePool::new(256 << 20).expect("memory");
    let mut lender = lender(&mut pool, 96 << 20);
    let slabs = [0..16384, 16384..24576];
    assert_eq!([lender.lend(), lender.lend(), lender.lend()], [Some(slabs[0].clone()), Some(slabs[1].clone()), None]);
    assert!(!lender.take_back(16384..32768), "more than was lent");
    assert!(lender.take_back(slabs[0].clone()) && !lender.take_back(slabs[0].clone()), "once");
    assert_eq!(lender.lend(), Some(slabs[0].clone()));
    assert!(lender.take_back(slabs[1].clone()));
    assert_eq!(pool.free(), 192 << 20);
}

proptest! {
    /// Whatever is asked for and given back: the pool's books are true, and no slot is lent twice.
    #[test]
    fn the_pool_knows_what_is_lent(steps in prop::collection::vec((0..2_usize, any::<bool>(), any::<prop::sample::Index>()), 1..80)) {
        let mut pool = LeasePool::new(320 << 20).expect("memory");
        let mut lenders = [lender(&mut pool, 200 << 20), lender(&mut pool, 320 << 20)];
        let mut lent = [BTreeSet::new(), BTreeSet::new()];
        for (who, lends, which) in steps {
            if lends {
                if let Some(slab) = lenders[who].lend() {
                    prop_assert!(lent[who].insert((slab.start, slab.end)), "lent twice");
                }
            } else if !lent[who].is_empty() {
                let slab = *which.get(&lent[who].iter().copied().collect::<Vec<_>>());
                lent[who].remove(&slab);
                prop_assert!(lenders[who].take_back(slab.0..slab.1));
            }
            let slabs = lent[0].len() + lent[1].len();
            prop_assert_eq!(pool.free(), (5 - slabs as u64) * (64 << 20));
        }
    }
}
