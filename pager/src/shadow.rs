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

use crate::kernel::OwnMemory;
use crate::page::{APP_END, PageNumber, PageRange};

/// The kernel's mapping of a file, out of the program's sight. Dropping it unmaps it.
#[derive(Debug)]
pub struct Shadow {
    range: PageRange,
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
        Ok(Self { range: PageRange::covering(&(address..address + from.bytes())) })
    }

    /// Reads bytes from the page `index` on.
    ///
    /// # Errors
    /// The file has been cut short.
    pub fn read(&self, memory: &OwnMemory, index: u64, into: &mut [u8]) -> io::Result<()> {
        debug_assert!(index < self.range.count(), "a page of the shadow");
        memory.read(PageNumber(self.range.start.0 + index), into)
    }
}

impl Drop for Shadow {
    fn drop(&mut self) {
        // SAFETY: the range is the shadow's own.
        unsafe { libc::munmap(self.range.start.addr() as *mut libc::c_void, self.range.bytes() as usize) };
    }
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
