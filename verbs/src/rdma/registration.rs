//! The region that this node lends, as its device knows it: extent by extent, each registered, and so pinned, when a peer first
//! wants bytes of it. A region may be half of all memory, most of which nobody ever comes for.

use std::sync::{Arc, Mutex, PoisonError};

use super::domain::Domain;
use super::error::RdmaError;
use super::memory::{Registered, lock_limit};
use crate::region::{EXTENT, Region};

/// A region that peers may read and write.
pub(crate) struct Registration {
    // before the region, so that the device forgets the memory before it is unmapped
    extents: Mutex<Vec<Option<Registered>>>,
    region: Arc<Region>,
    domain: Arc<Domain>,
}

impl Registration {
    /// The registration of the region, one for all links over the device. Nothing is pinned yet.
    ///
    /// # Errors
    /// `MemoryLimit` when this process may not lock as much as it lends: later would be too late for another transport.
    pub(super) fn of(domain: &Arc<Domain>, region: &Arc<Region>) -> Result<Arc<Registration>, RdmaError> {
        let mut known = domain.regions.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|registration| registration.strong_count() > 0);
        let upgraded = known.iter().filter_map(std::sync::Weak::upgrade);
        if let Some(one) = { upgraded }.find(|one| Arc::ptr_eq(&one.region, region)) {
            return Ok(one);
        }
        let len = region.len();
        if let Some(limit) = lock_limit().filter(|limit| *limit < len as u64) {
            return Err(RdmaError::MemoryLimit { len, limit });
        }
        let extents = std::iter::repeat_with(|| None).take(len.div_ceil(EXTENT)).collect();
        let extents = Mutex::new(extents);
        let registration = Arc::new(Registration { extents, region: Arc::clone(region), domain: Arc::clone(domain) });
        known.push(Arc::downgrade(&registration));
        Ok(registration)
    }

    /// What peers name this extent by. The first time its pages get memory, and keep it.
    ///
    /// # Errors
    /// `MemoryLimit`, `Registration`; there is no such extent.
    pub(super) fn key(&self, extent: usize) -> Result<u32, RdmaError> {
        let mut extents = self.extents.lock().unwrap_or_else(PoisonError::into_inner);
        let place = extents.get_mut(extent).ok_or_else(|| self.domain.failed("finding an extent"))?;
        if let Some(registered) = place {
            return Ok(registered.rkey());
        }
        let start = extent * EXTENT;
        let len = EXTENT.min(self.region.len() - start);
        self.region.pin(extent);
        // SAFETY: inside the region, which stays mapped as long as this registration holds it.
        let registered = unsafe { Registered::new(&self.domain, self.region.base().add(start), len, true) };
        let registered = registered.inspect_err(|_| self.region.unpin(extent))?;
        Ok(place.insert(registered).rkey())
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let extents = std::mem::take(self.extents.get_mut().unwrap_or_else(PoisonError::into_inner));
        for (extent, registered) in extents.into_iter().enumerate() {
            if registered.is_some() {
                drop(registered);
                self.region.unpin(extent);
            }
        }
    }
}
