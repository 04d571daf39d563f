//! A worker's region, lent to its run slab by slab, as far as the daemon's pool has memory.

use std::ops::Range;
use std::sync::Arc;

use eos_pager::demand::Progress;
use eos_pager::page::PAGE_SIZE;
use eos_pager::slabs::Lender;
use eos_verbs::Region;

use super::lease::Lease;

/// Which slabs of the region are lent. Slab i has the slots from i times its length on; the last may be shorter.
///
/// Invariant: the lease covers the slabs that are lent and those that are kept, and nothing else of the region has memory, but for
/// pages that a late read ahead has touched.
pub struct RegionLender {
    lease: Lease,
    region: Arc<Region>,
    /// Slots of a slab, and of the region.
    slab: u32,
    slots: u32,
    lent: Vec<bool>,
    /// Slabs that have come back with memory that a device holds on to: they stay leased, and serve for the next loans.
    kept: u32,
    /// Lends nothing any more: the run does without this peer.
    retired: bool,
}

impl RegionLender {
    /// Lends `region`, of which `lease` says how much there may be.
    #[must_use]
    pub fn new(lease: Lease, region: Arc<Region>) -> Self {
        let pages = |bytes: u64| u32::try_from(bytes / PAGE_SIZE).unwrap_or(u32::MAX);
        let (slab, slots) = (pages(lease.slab_bytes()).max(1), pages(lease.limit_bytes()));
        Self { lease, region, slab, slots, lent: vec![false; slots.div_ceil(slab) as usize], kept: 0, retired: false }
    }

    fn slab_range(&self, index: usize) -> Range<u32> {
        let first = index as u32 * self.slab;
        first..first.saturating_add(self.slab).min(self.slots)
    }
}

impl Lender for RegionLender {
    fn lend(&mut self) -> Option<Range<u32>> {
        let index = self.lent.iter().position(|lent| !lent).filter(|_| !self.retired)?;
        match self.kept {
            0 if self.lease.take(1) == 0 => return None,
            kept => self.kept = kept.saturating_sub(1),
        }
        self.lent[index] = true;
        Some(self.slab_range(index))
    }

    fn take_back(&mut self, slab: Range<u32>) -> bool {
        let index = (slab.start / self.slab) as usize;
        if self.lent.get(index) != Some(&true) || slab != self.slab_range(index) {
            return false;
        }
        self.lent[index] = false;
        let page = PAGE_SIZE as usize;
        // The memory goes first: what the pool may lend to others is not used here any more.
        if self.region.discard(slab.start as usize * page, slab.len() * page) {
            self.lease.give_back(1);
        } else {
            self.kept += 1;
        }
        true
    }

    fn owed(&self) -> u32 {
        let lent = self.lent.iter().filter(|lent| **lent).count() as u32;
        // As long as it is retired there is something owed, so that nobody turns to it.
        if self.retired { lent.max(1) } else { self.lease.owed() }
    }

    fn retire(&mut self, gone: bool) {
        self.retired = gone;
    }

    fn hears(&mut self, progress: Progress) {
        self.lease.hears(progress as u8);
    }
}

#[cfg(test)]
#[path = "lender_tests.rs"]
mod tests;
