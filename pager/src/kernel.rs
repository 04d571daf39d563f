//! The kernel's side of the app's address space: mappings by fixed address, and the bytes behind them.
//!
//! # Safety
//!
//! Every function takes ranges of the app half ([`PageRange`] cannot reach beyond `APP_END`), where no Rust object
//! lives. Bytes are only borrowed under the lock of the house, of pages that are resident, and that only one thread of the program can
//! write (it stands in this trap) or that are write-protected, so nothing
//! changes or unmaps them meanwhile.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::page::{PAGE_SIZE, PageNumber, PageRange};
use crate::unreadable::made_readable;

/// Maps private anonymous memory at exactly `range`, replacing what was there. `prot` is the kernel's `PROT_` bits.
pub fn map_anon(range: PageRange, prot: i32) -> io::Result<()> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    map(range, prot, flags, -1, 0)
}

/// Maps at exactly `range` as the kernel does it; `flags` are those of mmap(2).
pub fn map_any(range: PageRange, prot: i32, flags: i32, file: Option<(BorrowedFd<'_>, u64)>) -> io::Result<()> {
    let (fd, offset) = file.map_or((-1, 0), |(fd, offset)| (fd.as_raw_fd(), offset));
    map(range, prot, flags, fd, offset)
}

fn map(range: PageRange, prot: i32, flags: i32, fd: i32, offset: u64) -> io::Result<()> {
    // SAFETY: see the module's safety section.
    let at = unsafe {
        libc::mmap(
            range.start.addr() as *mut libc::c_void,
            range.bytes() as usize,
            prot,
            flags | libc::MAP_FIXED,
            fd,
            offset.cast_signed(),
        )
    };
    if at == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Unmaps a range.
pub fn unmap(range: PageRange) -> io::Result<()> {
    // SAFETY: see the module's safety section.
    check(unsafe { libc::munmap(address(range), range.bytes() as usize) })
}

/// Changes the protection of a range.
pub fn protect(range: PageRange, prot: i32) -> io::Result<()> {
    // SAFETY: see the module's safety section.
    check(unsafe { libc::mprotect(address(range), range.bytes() as usize, prot) })
}

/// madvise(2). With `MADV_DONTNEED` the pages' memory goes back to the kernel.
pub fn advise(range: PageRange, advice: i32) -> io::Result<()> {
    // SAFETY: see the module's safety section.
    check(unsafe { libc::madvise(address(range), range.bytes() as usize, advice) })
}

/// Lets go of the pages' memory: they are missing afterwards.
pub fn drop_pages(range: PageRange) -> io::Result<()> {
    advise(range, libc::MADV_DONTNEED)
}

/// Has the kernel bring every page of the range in, as a read or a write of the program would. The range is mapped so that it
/// can be read, or written.
pub fn populate(range: PageRange, write: bool) -> io::Result<()> {
    let advice = if write { libc::MADV_POPULATE_WRITE } else { libc::MADV_POPULATE_READ };
    match advise(range, advice) {
        // before Linux 5.14
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            range.into_iter().for_each(|page| touch(page, write));
            Ok(())
        }
        outcome => outcome,
    }
}

fn touch(page: PageNumber, write: bool) {
    // SAFETY: mapped as the caller of `populate` says; other threads may write the byte at the same time.
    let byte = unsafe { AtomicU8::from_ptr(page.addr() as *mut u8) };
    let value = byte.load(Ordering::Relaxed);
    if write {
        // Whether it succeeds or not, the instruction writes to the page.
        let _ = byte.compare_exchange(value, value, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// Moves the mapping `from` to the free or replaceable range `to` of at least the same length (mremap(2) with `MREMAP_FIXED`).
pub fn remap(from: PageRange, to: PageRange) -> io::Result<()> {
    // SAFETY: see the module's safety section.
    let at = unsafe {
        libc::mremap(
            address(from),
            from.bytes() as usize,
            to.bytes() as usize,
            libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED,
            address(to),
        )
    };
    if at == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Makes the mapping at `range` longer where it is, by the free addresses up to `end`.
pub fn grow(range: PageRange, end: PageNumber) -> io::Result<()> {
    let new_bytes = (end.0 - range.start.0) * PAGE_SIZE;
    // SAFETY: see the module's safety section.
    let at = unsafe { libc::mremap(address(range), range.bytes() as usize, new_bytes as usize, 0) };
    if at == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// The bytes of pages that are resident and readable.
///
/// # Safety
/// Every page of the range is resident on this node and mapped readable until the borrow ends, and nobody writes to it: see the top of this file.
pub unsafe fn bytes<'a>(range: PageRange) -> &'a [u8] {
    // SAFETY: the caller vouches for it.
    unsafe { std::slice::from_raw_parts(address(range).cast(), range.bytes() as usize) }
}

/// The bytes of pages that are resident and writable.
///
/// # Safety
/// As for [`bytes`], and the pages are writable and borrowed by nobody else.
pub unsafe fn bytes_mut<'a>(range: PageRange) -> &'a mut [u8] {
    // SAFETY: the caller vouches for it.
    unsafe { std::slice::from_raw_parts_mut(address(range).cast(), range.bytes() as usize) }
}

/// Whether a page holds zeros only.
pub fn is_zero(page: &[u8]) -> bool {
    // SAFETY: any bytes are valid u64s.
    let (head, words, tail) = unsafe { page.align_to::<u64>() };
    words.iter().all(|&word| word == 0) && head.iter().chain(tail).all(|&byte| byte == 0)
}

fn address(range: PageRange) -> *mut libc::c_void {
    range.start.addr() as *mut libc::c_void
}

fn check(outcome: i32) -> io::Result<()> {
    if outcome < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// `/proc/self/mem` and `/proc/self/pagemap`: what page tables hold, and bytes regardless of protection.
#[derive(Debug)]
pub struct OwnMemory {
    mem: File,
    pagemap: File,
}

impl OwnMemory {
    /// Opens both files.
    ///
    /// # Errors
    /// /proc is not mounted, or the process is not dumpable.
    pub fn open() -> io::Result<Self> {
        Ok(Self { mem: File::open("/proc/self/mem")?, pagemap: File::open("/proc/self/pagemap")? })
    }

    /// Reads resident pages whatever their protection (proc_pid_mem(5)).
    pub fn read(&self, first: PageNumber, into: &mut [u8]) -> io::Result<()> {
        match self.mem.read_exact_at(into, first.addr()) {
            // Page by page: each may be of another mapping.
            Err(error) if error.raw_os_error() == Some(libc::EIO) => {
                let pages = into.chunks_mut(PAGE_SIZE as usize);
                (first.0..).map(PageNumber).zip(pages).try_for_each(|(page, bytes)| self.read_page(page, bytes))
            }
            outcome => outcome,
        }
    }

    fn read_page(&self, page: PageNumber, into: &mut [u8]) -> io::Result<()> {
        let mut read = || self.mem.read_exact_at(into, page.addr());
        read().or_else(|error| made_readable(PageRange::single(page), read)?.ok_or(error))
    }

    /// Calls `present` for every page of the range that has memory or swap behind it (proc_pid_pagemap(5), bits 63 and 62).
    pub fn for_each_present(&self, range: PageRange, mut present: impl FnMut(PageNumber)) -> io::Result<()> {
        const BATCH: u64 = 8192;
        let mut words = vec![0_u8; (BATCH * 8) as usize];
        let mut page = range.start.0;
        while page < range.end.0 {
            let count = BATCH.min(range.end.0 - page);
            let part = &mut words[..(count * 8) as usize];
            self.pagemap.read_exact_at(part, page * 8)?;
            for (index, word) in part.as_chunks::<8>().0.iter().enumerate() {
                if u64::from_le_bytes(*word) >> 62 != 0 {
                    present(PageNumber(page + index as u64));
                }
            }
            page += count;
        }
        Ok(())
    }
}
