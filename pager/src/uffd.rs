//! userfaultfd in SIGBUS mode: the five requests the pager makes of the kernel.
//!
//! A fault on a registered page that is missing, or that is written while write-protected, arrives as SIGBUS in the
//! faulting thread itself; no thread ever reads the descriptor. It is opened with `UFFD_USER_MODE_ONLY`, which needs no
//! privilege: a fault by the kernel on behalf of the program (inside a system call) fails with `EFAULT` instead.
//!
//! Raw requests rather than the `userfaultfd` crate: that crate opens `/dev/userfaultfd` first and does not fall back
//! to the system call when an ordinary user may not open it, and it does not wrap `UFFDIO_COPY` with write protection.
//!
//! Sources: userfaultfd(2), ioctl_userfaultfd(2), linux/userfaultfd.h.
//!
//! # Safety
//!
//! The ioctls change mappings of the app half only; the caller passes ranges inside it ([`PageRange`] is bounded by
//! construction), so no Rust object of the runtime can be unmapped or overwritten by them.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::page::{PAGE_SIZE, PageRange};

/// `UFFD_API`.
const API: u64 = 0xaa;
const FEATURE_PAGEFAULT_FLAG_WP: u64 = 1;
const FEATURE_SIGBUS: u64 = 1 << 7;
const USER_MODE_ONLY: i32 = 1;

const REGISTER_MODE_MISSING: u64 = 1;
const REGISTER_MODE_WP: u64 = 2;
const COPY_MODE_DONTWAKE: u64 = 1;
const COPY_MODE_WP: u64 = 2;
const WRITEPROTECT_MODE_WP: u64 = 1;
const WRITEPROTECT_MODE_DONTWAKE: u64 = 2;

#[repr(C)]
struct UffdioApi {
    api: u64,
    features: u64,
    ioctls: u64,
}

#[repr(C)]
struct UffdioRange {
    start: u64,
    len: u64,
}

#[repr(C)]
struct UffdioRegister {
    range: UffdioRange,
    mode: u64,
    ioctls: u64,
}

#[repr(C)]
struct UffdioCopy {
    dst: u64,
    src: u64,
    len: u64,
    mode: u64,
    copy: i64,
}

#[repr(C)]
struct UffdioZeropage {
    range: UffdioRange,
    mode: u64,
    zeropage: i64,
}

#[repr(C)]
struct UffdioWriteprotect {
    range: UffdioRange,
    mode: u64,
}

/// `_IOWR(0xAA, nr, T)` or, for unregister, `_IOR`.
const fn request<T>(direction: u64, nr: u64) -> u64 {
    (direction << 30) | ((size_of::<T>() as u64) << 16) | (API << 8) | nr
}
const IOWR: u64 = 3;
const UFFDIO_API: u64 = request::<UffdioApi>(IOWR, 0x3f);
const UFFDIO_REGISTER: u64 = request::<UffdioRegister>(IOWR, 0x00);
const UFFDIO_COPY: u64 = request::<UffdioCopy>(IOWR, 0x03);
const UFFDIO_ZEROPAGE: u64 = request::<UffdioZeropage>(IOWR, 0x04);
const UFFDIO_WRITEPROTECT: u64 = request::<UffdioWriteprotect>(IOWR, 0x06);
const _: () = assert!(UFFDIO_COPY == 0xc028_aa03 && UFFDIO_API == 0xc018_aa3f);

/// Whether a page is installed ready for writing, or write-protected so that its first write is seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protection {
    /// The program may write at once.
    Writable,
    /// The first write raises SIGBUS.
    WriteProtected,
}

/// An open userfaultfd in SIGBUS mode.
#[derive(Debug)]
pub struct Uffd {
    fd: OwnedFd,
}

impl Uffd {
    /// Opens and configures the descriptor.
    ///
    /// # Errors
    /// The kernel is older than 5.11, was built without `CONFIG_USERFAULTFD`, or a sandbox forbids the call.
    pub fn open() -> io::Result<Self> {
        // SAFETY: a plain system call without pointers; the returned descriptor is owned by nobody else.
        let fd = unsafe {
            let fd = libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC | libc::O_NONBLOCK | USER_MODE_ONLY);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(i32::try_from(fd).expect("a descriptor fits an int"))
        };
        let uffd = Self { fd };
        let mut api = UffdioApi { api: API, features: FEATURE_SIGBUS | FEATURE_PAGEFAULT_FLAG_WP, ioctls: 0 };
        uffd.ioctl(UFFDIO_API, &mut api)?;
        Ok(uffd)
    }

    /// Makes missing pages of `range` (and writes to write-protected ones) raise SIGBUS. The whole range must be mapped, private and anonymous.
    pub fn register(&self, range: PageRange) -> io::Result<()> {
        let mut arg = UffdioRegister { range: span(range), mode: REGISTER_MODE_MISSING | REGISTER_MODE_WP, ioctls: 0 };
        self.ioctl(UFFDIO_REGISTER, &mut arg)
    }

    /// Installs a copy of `source` (as many bytes as the range has) on missing pages.
    ///
    /// A range may lie in several of the kernel's mappings, which the kernel takes one at a time only.
    ///
    /// # Errors
    /// `EEXIST` if a page is present already; pages before it have been installed.
    pub fn copy(&self, range: PageRange, source: *const u8, protection: Protection) -> io::Result<()> {
        match self.copy_within_mapping(range, source, protection) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) && range.count() > 1 => {
                range.into_iter().zip(0..).try_for_each(|(page, index)| {
                    let source = source.wrapping_add(index * PAGE_SIZE as usize);
                    self.copy_within_mapping(PageRange::single(page), source, protection)
                })
            }
            outcome => outcome,
        }
    }

    fn copy_within_mapping(&self, range: PageRange, source: *const u8, protection: Protection) -> io::Result<()> {
        let span = span(range);
        let mut done = 0;
        while done < span.len {
            let mut arg = UffdioCopy {
                dst: span.start + done,
                src: source as u64 + done,
                len: span.len - done,
                mode: match protection {
                    Protection::Writable => COPY_MODE_DONTWAKE,
                    Protection::WriteProtected => COPY_MODE_DONTWAKE | COPY_MODE_WP,
                },
                copy: 0,
            };
            let outcome = self.ioctl(UFFDIO_COPY, &mut arg);
            done += advance(outcome, arg.copy)?;
        }
        Ok(())
    }

    /// Maps the shared zero page on missing pages; the first write gives a page memory without a fault of ours.
    ///
    /// A range may lie in several of the kernel's mappings, as for [`copy`](Self::copy).
    ///
    /// # Errors
    /// `EEXIST` if a page is present already; pages before it have been installed.
    pub fn zero(&self, range: PageRange) -> io::Result<()> {
        match self.zero_within_mapping(range) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) && range.count() > 1 => {
                range.into_iter().try_for_each(|page| self.zero_within_mapping(PageRange::single(page)))
            }
            outcome => outcome,
        }
    }

    fn zero_within_mapping(&self, range: PageRange) -> io::Result<()> {
        let span = span(range);
        let mut done = 0;
        while done < span.len {
            let mut arg = UffdioZeropage {
                range: UffdioRange { start: span.start + done, len: span.len - done },
                mode: COPY_MODE_DONTWAKE,
                zeropage: 0,
            };
            let outcome = self.ioctl(UFFDIO_ZEROPAGE, &mut arg);
            done += advance(outcome, arg.zeropage)?;
        }
        Ok(())
    }

    /// Protects present pages against writes, or lifts that protection.
    pub fn write_protect(&self, range: PageRange, protection: Protection) -> io::Result<()> {
        let mode = match protection {
            Protection::Writable => WRITEPROTECT_MODE_DONTWAKE,
            Protection::WriteProtected => WRITEPROTECT_MODE_WP,
        };
        loop {
            let mut arg = UffdioWriteprotect { range: span(range), mode };
            match self.ioctl(UFFDIO_WRITEPROTECT, &mut arg) {
                Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => {}
                outcome => return outcome,
            }
        }
    }

    fn ioctl<T>(&self, request: u64, arg: &mut T) -> io::Result<()> {
        // SAFETY: every request is paired above with the structure whose size is encoded in it.
        let outcome = unsafe { libc::ioctl(self.fd.as_raw_fd(), request, arg) };
        if outcome < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}

fn span(range: PageRange) -> UffdioRange {
    UffdioRange { start: range.start.addr(), len: range.bytes() }
}

/// How far a request got: `EAGAIN` with a positive count means "that much is done, call again" (the address space
/// changed meanwhile); a negative count repeats the error and means that nothing was done.
fn advance(outcome: io::Result<()>, count: i64) -> io::Result<u64> {
    match outcome {
        Ok(()) => Ok(count.cast_unsigned()),
        Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => Ok(u64::try_from(count).unwrap_or(0)),
        Err(error) => Err(error),
    }
}
