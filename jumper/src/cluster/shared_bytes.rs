//! A few bytes that several processes share and change by atomic instructions.
//!
//! # Safety
//!
//! The bytes live in a memory file that is sealed against growing and shrinking, so the mapping
//! stays backed for as long as it exists. All access is through `AtomicU8`, which is sound whoever
//! else writes, in this process or in another.

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mm::{MapFlags, ProtFlags};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU8;

/// Shared bytes, zero at first.
#[derive(Debug)]
pub struct SharedBytes {
    file: OwnedFd,
    base: NonNull<AtomicU8>,
    len: usize,
}

// SAFETY: the mapping belongs to this value alone, and what is in it is atomic.
unsafe impl Send for SharedBytes {}
// SAFETY: as above: `&SharedBytes` only gives out `&[AtomicU8]`, which is `Sync`.
unsafe impl Sync for SharedBytes {}

impl SharedBytes {
    /// `len` new bytes, all zero; `len` must not be zero.
    pub fn create(len: usize) -> io::Result<SharedBytes> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = rustix::fs::memfd_create("eos-lease", flags)?;
        rustix::fs::ftruncate(&file, len as u64)?;
        rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW)?;
        SharedBytes::map(file, len)
    }

    /// The bytes behind a file that [`SharedBytes::create`] made, perhaps in another process.
    pub fn map(file: OwnedFd, len: usize) -> io::Result<SharedBytes> {
        let sealed = rustix::fs::fcntl_get_seals(&file)?.contains(SealFlags::SHRINK);
        let size = rustix::fs::fstat(&file)?.st_size;
        if !sealed || u64::try_from(size) != Ok(len as u64) {
            return Err(io::Error::other("the shared lease table has the wrong size"));
        }
        let prot = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no existing memory.
        let base = unsafe { rustix::mm::mmap(std::ptr::null_mut(), len, prot, MapFlags::SHARED, &file, 0)? };
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::InvalidData)?;
        Ok(SharedBytes { file, base, len })
    }

    /// The bytes.
    pub fn bytes(&self) -> &[AtomicU8] {
        // SAFETY: `base..base + len` is mapped read-write until drop, and sealed to its size.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.len) }
    }

    /// The file behind them.
    pub fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for SharedBytes {
    fn drop(&mut self) {
        // SAFETY: this value made the mapping and no borrow of it is left. An error cannot be
        // handled here and would only mean that address space leaks.
        let _ = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.len) };
    }
}
