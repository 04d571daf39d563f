//! Memory mappings that end with their owner.
//!
//! # Safety
//! A [`Mapping`] owns its range: nothing else in the process maps or unmaps it, so its pointer is valid for its length
//! until it is dropped. It hands out raw pointers only; whoever turns them into references answers for aliasing.

#![allow(unsafe_code)]

use std::os::fd::AsFd;
use std::ptr;

use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

/// A readable and writable range of memory.
#[derive(Debug)]
pub struct Mapping {
    base: *mut u8,
    len: usize,
}

impl Mapping {
    /// Fresh private memory of `len` bytes.
    pub fn anonymous(len: usize) -> Result<Self, Errno> {
        // SAFETY: the kernel chooses an address that nothing uses.
        let base = unsafe { mmap_anonymous(ptr::null_mut(), len, RW, MapFlags::PRIVATE)? };
        Ok(Self { base: base.cast(), len })
    }

    /// The first `len` bytes of a memory file, shared with whoever else maps it.
    pub fn shared(file: impl AsFd, len: usize) -> Result<Self, Errno> {
        // SAFETY: the kernel chooses an address that nothing uses.
        let base = unsafe { mmap(ptr::null_mut(), len, RW, MapFlags::SHARED, file, 0)? };
        Ok(Self { base: base.cast(), len })
    }

    /// First byte, page-aligned.
    pub fn base(&self) -> *mut u8 {
        self.base
    }

    /// Bytes.
    pub fn len(&self) -> usize {
        self.len
    }
}

const RW: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range is ours and no pointer into it outlives us (module rule).
        let _ = unsafe { munmap(self.base.cast(), self.len) };
    }
}
