//! Where the bytes of reads arrive.
//!
//! # Safety
//! The mapping belongs to its [`Bounce`] from construction to drop. The kernel fills it through the address of the header
//! while the queue pair is borrowed mutably, so no borrow of the bytes exists then.

use rustix::mm::{MapFlags, ProtFlags};

use super::frame::{RESPONSE, Response};
use crate::PAGE;
use crate::error::VerbsError;

/// Page-aligned memory for the bytes of a read; takes memory when first used. The header of the response lies right before
/// them, so that one plain recv(2) takes both.
pub(super) struct Bounce {
    /// A page for the header, then the data.
    base: *mut u8,
    /// Bytes of data.
    len: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread, and is used through its one owner only.
unsafe impl Send for Bounce {}

impl Bounce {
    pub(super) fn new(len: usize) -> Result<Bounce, VerbsError> {
        let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE | MapFlags::NORESERVE);
        // SAFETY: no address is asked for, so no existing mapping changes.
        let base = unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), PAGE + len, prot, flags) };
        base.map(|base| Bounce { base: base.cast(), len }).map_err(VerbsError::local("map a bounce buffer"))
    }

    pub(super) fn header(&self) -> *mut Response {
        // SAFETY: inside the first page of the mapping.
        unsafe { self.base.add(PAGE - RESPONSE).cast() }
    }

    /// The place of `len` bytes from `at` on, for the kernel to fill.
    pub(super) fn place(&self, at: usize, len: usize) -> *mut u8 {
        assert!(at <= self.len && len <= self.len - at, "every read is checked against the limit");
        // SAFETY: inside the mapping.
        unsafe { self.base.add(PAGE + at) }
    }

    /// As [`place`](Self::place), for whoever expands bytes into it.
    ///
    /// # Safety
    /// The bytes are not borrowed otherwise as long as they are used.
    pub(super) unsafe fn bytes_mut<'a>(&self, at: usize, len: usize) -> &'a mut [u8] {
        // SAFETY: inside the mapping, which starts as zeros; the rest by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.place(at, len), len) }
    }

    pub(super) fn bytes(&self, at: usize, len: usize) -> &[u8] {
        // SAFETY: inside the mapping, which starts as zeros and is written only through `&mut` of the owner.
        unsafe { std::slice::from_raw_parts(self.place(at, len), len) }
    }
}

impl Drop for Bounce {
    fn drop(&mut self) {
        // SAFETY: what mmap gave; nothing borrows it any more.
        let _ = unsafe { rustix::mm::munmap(self.base.cast(), PAGE + self.len) };
    }
}
