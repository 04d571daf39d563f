//! Sparse arrays: huge in addresses, costing memory only where they were written.
//!
//! # Safety
//! All unsafe code of the page table is here. A [`SparseArray`] owns one private anonymous mapping, which nobody else
//! knows of, from `new` to `drop`. Elements are atomics, for which zero bytes are a valid value, so the kernel's
//! zero-filled pages are initialised elements, and shared references may be used from several threads.
#![allow(unsafe_code)]

use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
use std::ops::{Deref, Range};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU64};

use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

const CACHE_LINE: usize = 64;

/// Atomics whose value may be all zero bytes.
///
/// # Safety
/// Implement it only for atomics of which a zeroed value is valid, aligned to no more than a page, without `Drop`.
pub unsafe trait ZeroAtomic: Sync + Send {}

// SAFETY: zero is a valid AtomicU8.
unsafe impl ZeroAtomic for AtomicU8 {}
// SAFETY: zero is a valid AtomicU64.
unsafe impl ZeroAtomic for AtomicU64 {}

/// `len` atomics, all zero at first.
pub struct SparseArray<T: ZeroAtomic> {
    base: NonNull<T>,
    len: usize,
}

// SAFETY: it owns its mapping, and only hands out shared references to atomics, which are Sync and Send.
unsafe impl<T: ZeroAtomic> Send for SparseArray<T> {}
// SAFETY: as above.
unsafe impl<T: ZeroAtomic> Sync for SparseArray<T> {}

impl<T: ZeroAtomic> SparseArray<T> {
    /// Reserves addresses for `len` (not 0) elements; takes no memory yet.
    ///
    /// # Errors
    /// The kernel's, if it refuses so large a mapping.
    pub fn new(len: usize) -> Result<Self, Errno> {
        let bytes = len.checked_mul(size_of::<T>()).ok_or(Errno::NOMEM)?;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new mapping at an address of the kernel's choice replaces nothing.
        let base = unsafe { mmap_anonymous(std::ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, flags) }?;
        // Huge pages would make each far-apart touch cost 2 MiB; a core dump need not hold the table. Both are
        // only wishes: kernels built without them say EINVAL.
        for wish in [Advice::LinuxNoHugepage, Advice::LinuxDontDump] {
            // SAFETY: the range is the mapping just made, and neither advice changes contents.
            let _ = unsafe { madvise(base, bytes, wish) };
        }
        let base = NonNull::new(base.cast::<T>()).ok_or(Errno::NOMEM)?;
        Ok(Self { base, len })
    }
}

impl<T: ZeroAtomic> SparseArray<T> {
    /// Has the processor begin to load these elements, all at once: where none is in its caches, one after the other takes
    /// several times as long. Changes nothing.
    pub fn prefetch(&self, range: Range<usize>) {
        for line in self[range].chunks(CACHE_LINE / size_of::<T>()) {
            // SAFETY: a prefetch is a hint; it neither faults nor changes what any thread sees.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
        }
    }
}

impl<T: ZeroAtomic> Deref for SparseArray<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: base is page-aligned and valid for `len` initialised elements for as long as self lives.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.len) }
    }
}

impl<T: ZeroAtomic> Drop for SparseArray<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping is owned, and no reference into it outlives self. A failure would only leak it.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.len * size_of::<T>()) };
    }
}
