//! Memory one node offers to the others.
//!
//! # Safety
//! A [`Region`] and a `Mapping` own their memory from construction to drop, and never move or shrink it: the
//! memfd behind it is sealed against shrinking, so an access inside `len` cannot raise SIGBUS. Other processes write
//! this memory at any time; it is reached through raw pointers, and who holds which slot is agreed on above this crate.

use std::ffi::c_void;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags};

use crate::error::VerbsError;
use crate::names::PeerName;

/// A shared mapping of a whole memfd.
pub(crate) struct Mapping {
    base: *mut u8,
    len: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread; the struct only frees it, once.
unsafe impl Send for Mapping {}
// SAFETY: shared references only hand out the address and the length, which never change.
unsafe impl Sync for Mapping {}

impl Mapping {
    pub(crate) fn new(memory: &OwnedFd, len: usize) -> Result<Mapping, Errno> {
        let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED | MapFlags::NORESERVE);
        // SAFETY: no address is asked for, so the kernel picks unused space and no existing mapping changes.
        let base = unsafe { rustix::mm::mmap(ptr::null_mut(), len, prot, flags, memory, 0)? };
        Ok(Mapping { base: base.cast(), len })
    }

    pub(crate) fn base(&self) -> *mut u8 {
        self.base
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: base and len are what mmap gave; nobody can hold the address through this struct any more.
        let _ = unsafe { rustix::mm::munmap(self.base.cast::<c_void>(), self.len) };
    }
}

/// A sealed memfd of `len` bytes; pages get memory when first written.
pub(crate) fn sealed_memory(name: &str, len: usize) -> Result<OwnedFd, Errno> {
    let memory = rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    rustix::fs::ftruncate(&memory, len as u64)?;
    rustix::fs::fcntl_add_seals(&memory, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(memory)
}

/// Checks that a memfd from a peer has `len` bytes for good, and maps it.
pub(crate) fn map_from_peer(memory: &OwnedFd, len: u64, peer: &PeerName) -> Result<Mapping, VerbsError> {
    let io = |source: Errno| VerbsError::Io { peer: peer.clone(), what: "mapping its memory", source: source.into() };
    let seals = rustix::fs::fcntl_get_seals(memory).map_err(io)?;
    if !seals.contains(SealFlags::SHRINK) {
        return Err(VerbsError::protocol(peer, "its shared memory is not sealed against shrinking"));
    }
    let real = u64::try_from(rustix::fs::fstat(memory).map_err(io)?.st_size).unwrap_or(0);
    match usize::try_from(len) {
        Ok(len) if len > 0 && real == len as u64 => Mapping::new(memory, len).map_err(io),
        _ => Err(VerbsError::protocol(peer, "its shared memory does not have the length it announced")),
    }
}

/// Bytes of a region that a device pins at once, when peers want any of them. Extents begin at multiples of it.
pub(crate) const EXTENT: usize = 16 << 20;

/// Memory this node offers: a memfd of `len` bytes, shared, sparse, without reserve. Pages get memory when first written.
pub struct Region {
    memory: OwnedFd,
    mapping: Mapping,
    /// For each extent, how many registrations with a device hold its pages.
    pins: Box<[AtomicU32]>,
}

impl Region {
    /// Makes a region of `len` bytes (a multiple of [`crate::PAGE`], above 0). The kernel picks its address.
    ///
    /// # Errors
    /// `Local` when the kernel has no descriptors or address space, or `len` is no such multiple.
    pub fn new(len: usize) -> Result<Arc<Region>, VerbsError> {
        if len == 0 || !len.is_multiple_of(crate::PAGE) {
            return Err(VerbsError::local("make a region whose length is not a multiple of the page size")(
                Errno::INVAL,
            ));
        }
        let memory = sealed_memory("eos-region", len).map_err(VerbsError::local("create memory to offer to peers"))?;
        let mapping = Mapping::new(&memory, len).map_err(VerbsError::local("map the memory it offers to peers"))?;
        let pins = std::iter::repeat_with(AtomicU32::default).take(len.div_ceil(EXTENT)).collect();
        Ok(Arc::new(Region { memory, mapping, pins }))
    }

    /// First byte of the region in this process.
    pub fn base(&self) -> *mut u8 {
        self.mapping.base()
    }

    /// Bytes of the region.
    #[allow(clippy::len_without_is_empty)] // a region is never empty
    pub fn len(&self) -> usize {
        self.mapping.len()
    }

    /// Gives the memory of `offset..offset+len` (bytes) back to the kernel (fallocate(2), punch hole); the bytes read as zero
    /// afterwards, also those of pages that are covered in part. What lies outside the region is ignored. Returns whether all of it went.
    ///
    /// In extents that are registered with an RDMA device this does nothing, and the bytes stay: the device would go on using
    /// the pages it has pinned, which would no longer be those of the region. So nobody may rely on the zeros; a slot that was
    /// freed is written before it is read again. No peer may be about to touch the range for the first time: while a node
    /// executes, the others do not.
    #[allow(clippy::must_use_candidate)] // mostly it is all the same
    pub fn discard(&self, offset: usize, len: usize) -> bool {
        let end = offset.saturating_add(len).min(self.len());
        let mut offset = offset;
        let mut all = true;
        while offset < end {
            let extent = offset / EXTENT;
            let part_end = end.min((extent + 1) * EXTENT);
            all &= self.pins[extent].load(Ordering::Acquire) == 0 && self.punch(offset, part_end - offset);
            offset = part_end;
        }
        all
    }

    fn punch(&self, offset: usize, len: usize) -> bool {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        loop {
            match rustix::fs::fallocate(&self.memory, flags, offset as u64, len as u64) {
                Err(Errno::INTR) => {}
                outcome => return outcome.is_ok(),
            }
        }
    }

    /// From now on the pages of this extent stay where they are.
    pub(crate) fn pin(&self, extent: usize) {
        self.pins[extent].fetch_add(1, Ordering::AcqRel);
    }

    /// Undoes one [`pin`](Self::pin).
    pub(crate) fn unpin(&self, extent: usize) {
        self.pins[extent].fetch_sub(1, Ordering::AcqRel);
    }

    /// The memfd, to be passed to a peer on this host.
    pub(crate) fn memory(&self) -> BorrowedFd<'_> {
        self.memory.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_lies_in_the_upper_half_and_starts_as_zero() {
        let region = Region::new(1 << 30).expect("a region");
        assert!(region.base() as usize >= 0x5000_0000_0000);
        // SAFETY: inside the region, which nobody else uses.
        assert_eq!(unsafe { *region.base().add((1 << 30) - 1) }, 0);
    }

    #[test]
    fn discard_gives_memory_back() {
        let region = Region::new(4 << 20).expect("a region");
        // SAFETY: inside the region, which nobody else uses.
        unsafe { ptr::write_bytes(region.base(), 7, 4 << 20) };
        let blocks = || rustix::fs::fstat(region.memory()).expect("fstat").st_blocks;
        assert_eq!(blocks(), (4 << 20) / 512);
        region.discard(1 << 20, 1 << 20);
        assert_eq!(blocks(), (3 << 20) / 512);
        // SAFETY: as above.
        let byte = |offset| unsafe { *region.base().add(offset) };
        assert_eq!((byte((1 << 20) - 1), byte(1 << 20)), (7, 0));
        region.discard(usize::MAX - 1, usize::MAX);
        region.discard(0, usize::MAX);
        assert_eq!(blocks(), 0);
    }

    #[test]
    fn a_pinned_extent_keeps_its_pages() {
        let len = 2 * EXTENT + (1 << 20);
        let region = Region::new(len).expect("a region");
        // SAFETY: inside the region, which nobody else uses.
        unsafe { ptr::write_bytes(region.base(), 7, len) };
        // SAFETY: as above.
        let bytes = || [0, EXTENT - 1, EXTENT, 2 * EXTENT, len - 1].map(|at| unsafe { *region.base().add(at) });
        region.pin(1);
        assert!(!region.discard(1, len));
        assert_eq!(bytes(), [7, 0, 7, 0, 0]);
        region.unpin(1);
        assert!(region.discard(0, len));
        assert_eq!(bytes(), [0; 5]);
    }

    #[test]
    fn a_length_that_is_no_multiple_of_a_page_is_refused() {
        assert!(Region::new(0).is_err());
        assert!(Region::new(4097).is_err());
    }
}
