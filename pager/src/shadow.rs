//! The file behind a private mapping that the program may write.
//!
//! Such a mapping becomes anonymous memory with the file's bytes. The kernel's own mapping of the file is not unmapped
//! but moved to the runtime's half: from there come the bytes, at the start and whenever the program gives its own back
//! (madvise(2) `MADV_DONTNEED`). It keeps the file alive as the program's mapping would, without a descriptor.
//!
//! # Safety
//!
//! A shadow is an address range of the runtime's half that nobody else knows. It is read through `/proc/self/mem` only,
//! which answers with an error where the file has been cut short.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::kernel::{self, OwnMemory};
use crate::page::{APP_END, PAGE_SIZE, PageNumber, PageRange};

/// The kernel's mapping of a file, out of the program's sight. Dropping it unmaps it.
#[derive(Debug)]
pub struct Shadow {
    /// Changes when the shadow grows. Guarded for form's sake: all users hold the lock of the house.
    range: Mutex<PageRange>,
}

impl Shadow {
    /// Moves the mapping at `from` away; its addresses are free afterwards.
    ///
    /// # Errors
    /// What mmap(2) and mremap(2) say.
    pub fn take(from: PageRange) -> io::Result<Self> {
        let len = from.bytes() as usize;
        // SAFETY: reserves fresh addresses, and moves a mapping of the program's half onto them.
        let address = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
            let place = libc::mmap(std::ptr::null_mut(), len, libc::PROT_NONE, flags, -1, 0);
            if place == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            let old = from.start.addr() as *mut libc::c_void;
            let moved = libc::mremap(old, len, len, libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED, place);
            if moved == libc::MAP_FAILED {
                let error = io::Error::last_os_error();
                libc::munmap(place, len);
                return Err(error);
            }
            moved as u64
        };
        debug_assert!(address >= APP_END, "the kernel places new mappings at the top");
        Ok(Self { range: Mutex::new(PageRange::covering(&(address..address + from.bytes()))) })
    }

    fn range(&self) -> MutexGuard<'_, PageRange> {
        self.range.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the file's page `index`, counted from the shadow's first, is mapped, or would be.
    pub fn address(&self, index: u64) -> u64 {
        PageNumber(self.range().start.0.saturating_add(index)).addr()
    }

    /// Sees to it that the shadow shows `count` pages of the file from its page `first` on, and tells how many of them have file behind
    /// them. Those that have none become the kernel's mapping at the end of `tail`, which is as long and free, with `prot`.
    ///
    /// # Errors
    /// What mremap(2) says, and `ENOMEM` where pages without file lie before others of the shadow.
    pub fn reach(&self, memory: &OwnMemory, first: u64, tail: PageRange, prot: i32) -> io::Result<u64> {
        let mut range = self.range();
        let end = first + tail.count();
        if end > range.count() {
            *range = grown(*range, end)?;
        }
        let asked = PageRange::new(PageNumber(range.start.0 + first), PageNumber(range.start.0 + end));
        let with_file = pages_with_file(memory, asked);
        if with_file == tail.count() {
            return Ok(with_file);
        }
        if end < range.count() {
            return Err(io::Error::from_raw_os_error(libc::ENOMEM));
        }
        let (from, to) = (asked.split_at(with_file).1, tail.split_at(with_file).1);
        kernel::remap(from, to)?;
        range.end = from.start;
        kernel::protect(to, prot)?;
        Ok(with_file)
    }

    /// Reads bytes from the page `index` on.
    ///
    /// # Errors
    /// The file has been cut short.
    pub fn read(&self, memory: &OwnMemory, index: u64, into: &mut [u8]) -> io::Result<()> {
        let range = *self.range();
        debug_assert!(index < range.count(), "a page of the shadow");
        memory.read(PageNumber(range.start.0 + index), into)
    }
}

impl Drop for Shadow {
    fn drop(&mut self) {
        let range = *self.range();
        if !range.is_empty() {
            // SAFETY: the range is the shadow's own.
            unsafe { libc::munmap(range.start.addr() as *mut libc::c_void, range.bytes() as usize) };
        }
    }
}

/// A mapping of the runtime's half made `count` pages long, at another place if need be.
fn grown(range: PageRange, count: u64) -> io::Result<PageRange> {
    let bytes = count * PAGE_SIZE;
    let old = range.start.addr() as *mut libc::c_void;
    // SAFETY: the range is a shadow's own, and who has read its address holds the lock.
    let moved = unsafe { libc::mremap(old, range.bytes() as usize, bytes as usize, libc::MREMAP_MAYMOVE) };
    if moved == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    Ok(PageRange::covering(&(moved as u64..moved as u64 + bytes)))
}

/// How many pages of a native file mapping have file behind them; those after the end of the file have none.
pub fn pages_with_file(memory: &OwnMemory, range: PageRange) -> u64 {
    let has_file = |page: u64| memory.read(PageNumber(page), &mut [0]).is_ok();
    if !range.is_empty() && has_file(range.end.0 - 1) {
        return range.count();
    }
    let (mut with, mut without) = (range.start.0, range.end.0);
    while with < without {
        let middle = with + (without - with) / 2;
        if has_file(middle) { with = middle + 1 } else { without = middle }
    }
    with - range.start.0
}
