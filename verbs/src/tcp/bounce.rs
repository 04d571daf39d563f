//! Where the bytes of a read arrive.
//!
//! # Safety
//! The mapping belongs to its [`Bounce`] from construction to drop. The kernel fills it through the address of the header
//! while the queue pair is borrowed mutably, so no borrow of the bytes exists then.

use rustix::mm::{MapFlags, ProtFlags};

use super::frame::{RESPONSE, Response};
use crate::PAGE;
use crate::error::VerbsError;
use crate::queue_pair::TRANSFER_MAX;

/// Page-aligned memory for the bytes of a read; takes memory when first used. The header of the response lies right before
/// them, so that one plain recv(2) takes both.
pub(super) struct Bounce(*mut u8);

/// Bytes of the mapping: a page for the header, then the data.
const BOUNCE: usize = PAGE + TRANSFER_MAX;

// SAFETY: the mapping belongs to the process, not to a thread, and is used through its one owner only.
unsafe impl Send for Bounce {}

impl Bounce {
    pub(super) fn new() -> Result<Bounce, VerbsError> {
        let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE | MapFlags::NORESERVE);
        // SAFETY: no address is asked for, so no existing mapping changes.
        let base = unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), BOUNCE, prot, flags) };
        base.map(|base| Bounce(base.cast())).map_err(VerbsError::local("map a bounce buffer"))
    }

    pub(super) fn header(&self) -> *mut Response {
        // SAFETY: inside the first page of the mapping.
        unsafe { self.0.add(PAGE - RESPONSE).cast() }
    }

    pub(super) fn bytes(&self, len: usize) -> &[u8] {
        assert!(len <= TRANSFER_MAX, "every read is checked against the limit");
        // SAFETY: inside the mapping, which starts as zeros and is written only through `&mut` of the owner.
        unsafe { std::slice::from_raw_parts(self.0.add(PAGE), len) }
    }
}

impl Drop for Bounce {
    fn drop(&mut self) {
        // SAFETY: what mmap gave; nothing borrows it any more.
        let _ = unsafe { rustix::mm::munmap(self.0.cast(), BOUNCE) };
    }
}
