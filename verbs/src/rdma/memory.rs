//! Registered memory: what the device may read and write. Registering pins it.
//!
//! # Safety
//! A [`Registered`] is made of memory that its owner keeps mapped until it is dropped. A [`Buffer`] owns its mapping. The
//! device writes into a buffer only between the posting of a work request and its completion; the queue pair, which keeps the
//! books of that, lets nobody look at those bytes meanwhile.

use std::io;
use std::sync::Arc;

use ibverbs_sys as ffi;
use rustix::mm::{MapFlags, ProtFlags};
use rustix::process::{Resource, getrlimit};

use super::domain::Domain;
use super::error::RdmaError;

/// Memory known to the device; freed from it when dropped.
pub(super) struct Registered {
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
    pub(super) unsafe fn new(
        domain: &Arc<Domain>,
        base: *mut u8,
        len: usize,
        remote: bool,
    ) -> Result<Registered, RdmaError> {
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

    /// What peers name the memory by.
    pub(super) fn rkey(&self) -> u32 {
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
    match lock_limit() {
        Some(limit) if over_limit => RdmaError::MemoryLimit { len, limit },
        _ => RdmaError::Registration { len, source },
    }
}

/// Bytes that this process may lock, if there is a limit for it.
pub(super) fn lock_limit() -> Option<u64> {
    if may_lock_any() { None } else { getrlimit(Resource::Memlock).current }
}

/// Whether the limit does not hold for this process (CAP_IPC_LOCK, bit 14 of its effective capabilities).
fn may_lock_any() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 << 14 != 0)
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
