//! Letting go of many ranges at once: one process_madvise(2) instead of a madvise(2) for each.
//!
//! A process may give any advice to itself since Linux 6.13, needs no descriptor for that since 6.14 (`PIDFD_SELF`), and pays for one flush
//! of the processor's address translations since 6.16. Where the kernel refuses, there is one call for each range.
//!
//! # Safety
//!
//! As in [`kernel`](crate::kernel): ranges lie in the program's half, where no Rust object lives.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::kernel;
use crate::page::PageRange;

/// `PIDFD_SELF` of linux/pidfd.h: the calling thread, and so its process.
const PIDFD_SELF: libc::c_long = -10_000;
/// Ranges of one call.
const RANGES_MAX: usize = 64;

/// The kernel has refused once.
static REFUSED: AtomicBool = AtomicBool::new(false);

/// Lets go of the memory of all pages of the ranges: they are missing afterwards. Does not allocate.
///
/// # Errors
/// What madvise(2) says.
pub fn drop_ranges(ranges: &[PageRange]) -> io::Result<()> {
    ranges.chunks(RANGES_MAX).try_for_each(|ranges| match ranges {
        [one] => kernel::drop_pages(*one),
        many if !REFUSED.load(Ordering::Relaxed) && advise_all(many) => Ok(()),
        many => many.iter().try_for_each(|range| kernel::drop_pages(*range)),
    })
}

/// Whether the kernel has done it. If it has done a part, doing it again does no harm.
fn advise_all(ranges: &[PageRange]) -> bool {
    let mut pieces = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; RANGES_MAX];
    let mut bytes = 0;
    for (piece, range) in pieces.iter_mut().zip(ranges) {
        *piece = libc::iovec { iov_base: range.start.addr() as *mut libc::c_void, iov_len: range.bytes() as usize };
        bytes += range.bytes();
    }
    // SAFETY: see the top of this file; the kernel reads the pieces that are filled.
    let done = unsafe {
        libc::syscall(libc::SYS_process_madvise, PIDFD_SELF, pieces.as_ptr(), ranges.len(), libc::MADV_DONTNEED, 0)
    };
    let refused = done < 0 && io::Error::last_os_error().kind() != io::ErrorKind::Interrupted;
    if refused {
        REFUSED.store(true, Ordering::Relaxed);
    }
    u64::try_from(done) == Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::PageNumber;

    #[test]
    fn ranges_lose_their_contents_and_what_lies_between_does_not() {
        let first = 0x1e00_0000_0000 >> 12;
        let all = PageRange::new(PageNumber(first), PageNumber(first + 300));
        kernel::map_anon(all, libc::PROT_READ | libc::PROT_WRITE).expect("mapped");
        let ranges: Vec<_> = (0..100)
            .map(|n| PageRange::new(PageNumber(first + 3 * n), PageNumber(first + 3 * n + 1 + n % 2)))
            .collect();
        for refused in [false, true] {
            REFUSED.store(refused, Ordering::Relaxed);
            // SAFETY: mapped just now, known to nobody else.
            let bytes = unsafe { kernel::bytes_mut(all) };
            bytes.fill(7);
            drop_ranges(&ranges).expect("dropped");
            for (page, bytes) in all.into_iter().zip(bytes.chunks(4096)) {
                let gone = ranges.iter().any(|range| range.contains(page));
                assert!(bytes.iter().all(|byte| *byte == if gone { 0 } else { 7 }), "{page:?}");
            }
        }
        REFUSED.store(false, Ordering::Relaxed);
        kernel::unmap(all).expect("unmapped");
    }
}
