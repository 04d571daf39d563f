//! Registered memory: what the device may read and write. Registering pins it.
//!
//! # Safety
//! A [`Registered`] is made of memory that its owner keeps mapped until it is dropped. A [`Buffer`] owns its mapping. The
//! device writes into a buffer only between the posting of a work request and its completion; the queue pair, which keeps the
//! books of that, lets nobody look at those bytes meanwhile.

use std::io;
use std::sync::{Arc, PoisonError, Weak};

use ibverbs_sys as ffi;
use rustix::mm::{MapFlags, ProtFlags};
use rustix::process::{Resource, getrlimit};

use super::domain::Domain;
use super::error::RdmaError;
use crate::region::Region;

/// Memory known to the device; freed from it when dropped.
struct Registered {
    domain: Arc<Domain>,
    mr: *mut ffi::ibv_mr,
}

// SAFETY: libibverbs is thread-safe, and the registration belongs to no thread.
unsafe impl Send for Registered {}
// SAFETY: shared references only read the keys, which never change.
unsafe impl Sync for Registered {}

impl Registered {
    /// # Safety
    /// `base..base+len` stays mapped as long as the result lives.
    unsafe fn new(domain: &Arc<Domain>, base: *mut u8, len: usize, remote: bool) -> Result<Registered, RdmaError> {
        let mut access = ffi::ibv_access_flags::IBV_ACCESS_LOCAL_WRITE;
        if remote {
            access |= ffi::ibv_access_flags::IBV_ACCESS_REMOTE_READ | ffi::ibv_access_flags::IBV_ACCESS_REMOTE_WRITE;
        }
        // SAFETY: the memory is mapped by the caller's promise.
        let mr = unsafe { domain.library().ibv_reg_mr(domain.pd(), base.cast(), len, access.0 as i32) };
        if mr.is_null() {
            return Err(refused(len, io::Error::last_os_error()));
        }
        Ok(Registered { domain: Arc::clone(domain), mr })
    }

    fn lkey(&self) -> u32 {
        // SAFETY: valid until dropped.
        unsafe { (*self.mr).lkey }
    }

    fn rkey(&self) -> u32 {
        // SAFETY: valid until dropped.
        unsafe { (*self.mr).rkey }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        // SAFETY: registered by us, freed once.
        unsafe { self.domain.library().ibv_dereg_mr(self.mr) };
    }
}

/// Why a registration was refused: the limit of locked memory, if this process has one.
fn refused(len: usize, source: io::Error) -> RdmaError {
    let over_limit = matches!(source.raw_os_error(), Some(libc::ENOMEM | libc::EPERM | libc::EAGAIN));
    match getrlimit(Resource::Memlock).current {
        Some(limit) if over_limit && !may_lock_any() => RdmaError::MemoryLimit { len, limit },
        _ => RdmaError::Registration { len, source },
    }
}

/// Whether the limit does not hold for this process (CAP_IPC_LOCK, bit 14 of its effective capabilities).
fn may_lock_any() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 << 14 != 0)
}

/// A region that peers may read and write.
pub(crate) struct Registration {
    // before the region, so that the device forgets the memory before it is unmapped
    registered: Registered,
    region: Arc<Region>,
}

impl Registration {
    /// Registers the whole region, once for all links over the device. Its pages get memory now, and keep it.
    ///
    /// # Errors
    /// `MemoryLimit`, `Registration`.
    pub(super) fn of(domain: &Arc<Domain>, region: &Arc<Region>) -> Result<Arc<Registration>, RdmaError> {
        let mut known = domain.regions.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|registration| registration.strong_count() > 0);
        if let Some(one) = known.iter().filter_map(Weak::upgrade).find(|one| Arc::ptr_eq(&one.region, region)) {
            return Ok(one);
        }
        region.pin();
        // SAFETY: the region stays mapped as long as the registration holds it.
        let registered = unsafe { Registered::new(domain, region.base(), region.len(), true) };
        let registered = registered.inspect_err(|_| region.unpin())?;
        let registration = Arc::new(Registration { registered, region: Arc::clone(region) });
        known.push(Arc::downgrade(&registration));
        Ok(registration)
    }

    /// What peers name the memory by.
    pub(super) fn rkey(&self) -> u32 {
        self.registered.rkey()
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.region.unpin();
    }
}

/// Registered memory of our own; starts at a page boundary.
pub(super) struct Buffer {
    // before the mapping, as above
    registered: Registered,
    mapping: Mapping,
}

struct Mapping {
    base: *mut u8,
    len: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread, and is written through its one owner or the device.
unsafe impl Send for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: what mmap gave; nobody borrows it any more.
        let _ = unsafe { rustix::mm::munmap(self.base.cast(), self.len) };
    }
}

impl Buffer {
    /// # Errors
    /// `MemoryLimit`, `Registration`.
    pub(super) fn new(domain: &Arc<Domain>, len: usize) -> Result<Buffer, RdmaError> {
        // shared, so that a fork(2) cannot give the parent other pages than those the device has pinned
        let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: no address is asked for, so no existing mapping changes.
        let base = unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), len, prot, flags) };
        let base = base.map_err(|errno| RdmaError::Registration { len, source: errno.into() })?;
        let mapping = Mapping { base: base.cast(), len };
        // SAFETY: the buffer drops the registration before the mapping.
        let registered = unsafe { Registered::new(domain, mapping.base, len, false) }?;
        Ok(Buffer { registered, mapping })
    }

    /// Address of byte `offset`, as work requests name it.
    pub(super) fn address(&self, offset: usize) -> u64 {
        self.mapping.base as u64 + offset as u64
    }

    /// What our own work requests name the memory by.
    pub(super) fn lkey(&self) -> u32 {
        self.registered.lkey()
    }

    /// Bytes that no work request under way writes.
    pub(super) fn bytes(&self, offset: usize, len: usize) -> &[u8] {
        assert!(offset <= self.mapping.len && len <= self.mapping.len - offset, "inside the buffer");
        // SAFETY: inside the mapping, which started as zeros; by the rule above the device does not write it now.
        unsafe { std::slice::from_raw_parts(self.mapping.base.add(offset), len) }
    }

    /// Copies `bytes` to `offset`, which no work request under way reads.
    pub(super) fn fill(&mut self, offset: usize, bytes: &[u8]) {
        assert!(offset <= self.mapping.len && bytes.len() <= self.mapping.len - offset, "inside the buffer");
        // SAFETY: inside the mapping; `bytes` cannot be part of it, since we hold it mutably.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.mapping.base.add(offset), bytes.len()) };
    }
}
