//! userfaultfd in SIGBUS mode, as little of it as the floor needs, and the handler that serves faults from a memory file.
//!
//! # Safety
//! The handler reads the statics below, which are set before the range is registered and cleared after. It makes one
//! system call and touches no memory of its own, so it may interrupt anything. Structures and numbers are those of
//! linux/userfaultfd.h; see ioctl_userfaultfd(2).

#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicUsize, Ordering::Relaxed};
use std::{mem, ptr};

use super::MicroError;
use super::mapping::Mapping;

const PAGE: usize = 4096;

const UFFD_USER_MODE_ONLY: libc::c_int = 1;
const UFFD_API: u64 = 0xaa;
const UFFD_FEATURE_SIGBUS: u64 = 1 << 7;
const UFFDIO_API: libc::c_ulong = 0xc018_aa3f;
const UFFDIO_REGISTER: libc::c_ulong = 0xc020_aa00;
const UFFDIO_COPY: libc::c_ulong = 0xc028_aa03;
const UFFDIO_WRITEPROTECT: libc::c_ulong = 0xc018_aa06;
const REGISTER_MODE_MISSING: u64 = 1;
const REGISTER_MODE_WP: u64 = 2;
const COPY_MODE_WP: u64 = 2;

#[repr(C)]
struct Api {
    api: u64,
    features: u64,
    ioctls: u64,
}

#[repr(C)]
struct Register {
    start: u64,
    len: u64,
    mode: u64,
    ioctls: u64,
}

#[repr(C)]
struct Copy {
    dst: u64,
    src: u64,
    len: u64,
    mode: u64,
    copied: i64,
}

#[repr(C)]
struct WriteProtect {
    start: u64,
    len: u64,
    mode: u64,
}

const _: () = assert!(size_of::<Api>() == 0x18 && size_of::<Register>() == 0x20);
const _: () = assert!(size_of::<Copy>() == 0x28 && size_of::<WriteProtect>() == 0x18);

/// What the handler does with a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Serve {
    /// Copies the page in.
    Copy = 0,
    /// Copies the page in, write-protected.
    CopyProtected = 1,
    /// Lifts the write protection.
    Unprotect = 2,
}

static UFFD: AtomicI32 = AtomicI32::new(-1);
static SOURCE: AtomicUsize = AtomicUsize::new(0);
static TARGET: AtomicUsize = AtomicUsize::new(0);
static TARGET_LEN: AtomicUsize = AtomicUsize::new(0);
static SERVE: AtomicU8 = AtomicU8::new(0);

/// Memory whose pages come from another mapping, one SIGBUS each. One at a time in a process.
#[derive(Debug)]
pub struct FaultingMemory {
    target: Mapping,
    source: Mapping,
    _uffd: OwnedFd,
    _stack: Mapping,
}

const SIGNAL_STACK_LEN: usize = 64 << 10;
const REMEDY: &str = "This needs Linux 5.11 or newer and a sandbox that allows userfaultfd with UFFD_USER_MODE_ONLY";

impl FaultingMemory {
    /// Pages of `source` as they would be pulled: absent until touched.
    pub fn new(source: Mapping) -> Result<Self, MicroError> {
        let uffd = open()?;
        let map = |_| MicroError::last_os("mmap", "Free some memory");
        let target = Mapping::anonymous(source.len()).map_err(map)?;
        let stack = Mapping::anonymous(SIGNAL_STACK_LEN).map_err(map)?;
        // SAFETY: the range is ours and only this module touches it.
        unsafe { libc::madvise(target.base().cast(), target.len(), libc::MADV_NOHUGEPAGE) };
        UFFD.store(uffd.as_raw_fd(), Relaxed);
        SOURCE.store(source.base() as usize, Relaxed);
        TARGET.store(target.base() as usize, Relaxed);
        TARGET_LEN.store(target.len(), Relaxed);
        super::dispatch::install_handler(libc::SIGBUS, on_bus, &stack)?;
        register(&uffd, &target)?;
        Ok(Self { target, source, _uffd: uffd, _stack: stack })
    }

    /// How faults are served from now on.
    pub fn serve(&self, how: Serve) {
        SERVE.store(how as u8, Relaxed);
    }

    /// Pages in all.
    pub fn pages_count(&self) -> usize {
        self.target.len() / PAGE
    }

    /// Reads the first word of a page; faults if it is absent.
    #[inline]
    pub fn read(&self, page: usize) -> u64 {
        // SAFETY: in the mapping (checked); the handler makes the page present.
        unsafe { ptr::read_volatile(self.page(page).cast()) }
    }

    /// Writes the first word of a page; faults if it is absent or write-protected.
    #[inline]
    pub fn write(&self, page: usize, word: u64) {
        // SAFETY: as in `read`; no reference to the mapping exists.
        unsafe { ptr::write_volatile(self.page(page).cast(), word) };
    }

    /// Copies `count` present pages out to where they came from.
    pub fn copy_out(&self, first: usize, count: usize) {
        // SAFETY: both ranges are in bounds (`page` checks) and in different mappings.
        unsafe {
            let into = self.source.base().add(first * PAGE);
            ptr::copy_nonoverlapping(self.page(first), into, count * PAGE);
        }
    }

    /// Drops `count` pages; they are absent again.
    pub fn drop_pages(&self, first: usize, count: usize) {
        // SAFETY: the range is in the mapping, and no reference to it exists.
        unsafe { libc::madvise(self.page(first).cast(), count * PAGE, libc::MADV_DONTNEED) };
    }

    fn page(&self, page: usize) -> *mut u8 {
        assert!(page < self.pages_count());
        // SAFETY: in bounds by the assertion.
        unsafe { self.target.base().add(page * PAGE) }
    }
}

impl Drop for FaultingMemory {
    fn drop(&mut self) {
        super::dispatch::remove_handler(libc::SIGBUS);
        UFFD.store(-1, Relaxed);
    }
}

fn open() -> Result<OwnedFd, MicroError> {
    // SAFETY: the call takes flags only.
    let fd = unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC | UFFD_USER_MODE_ONLY) };
    if fd < 0 {
        return Err(MicroError::last_os("userfaultfd", REMEDY));
    }
    // SAFETY: the descriptor is new and ours.
    let uffd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
    let mut api = Api { api: UFFD_API, features: UFFD_FEATURE_SIGBUS, ioctls: 0 };
    // SAFETY: UFFDIO_API reads and writes one `Api`.
    if unsafe { libc::ioctl(uffd.as_raw_fd(), UFFDIO_API, &raw mut api) } != 0 {
        return Err(MicroError::last_os("UFFDIO_API with UFFD_FEATURE_SIGBUS", REMEDY));
    }
    Ok(uffd)
}

fn register(uffd: &OwnedFd, target: &Mapping) -> Result<(), MicroError> {
    let mode = REGISTER_MODE_MISSING | REGISTER_MODE_WP;
    let mut register = Register { start: target.base() as u64, len: target.len() as u64, mode, ioctls: 0 };
    // SAFETY: UFFDIO_REGISTER reads and writes one `Register`; the range is ours.
    if unsafe { libc::ioctl(uffd.as_raw_fd(), UFFDIO_REGISTER, &raw mut register) } != 0 {
        return Err(MicroError::last_os("UFFDIO_REGISTER", REMEDY));
    }
    Ok(())
}

/// Serves one fault; a fault elsewhere or one that cannot be served ends the process as it would without a handler.
extern "C" fn on_bus(_signal: libc::c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid siginfo with an address to a SIGBUS handler.
    let address = unsafe { (*info).si_addr() } as usize & !(PAGE - 1);
    let offset = address.wrapping_sub(TARGET.load(Relaxed));
    let (uffd, start, len) = (UFFD.load(Relaxed), address as u64, PAGE as u64);
    let serve = SERVE.load(Relaxed);
    // SAFETY: each request reads and writes one structure of its size; `start` is a page of the registered target, and
    // the source is mapped as long as the target.
    let done = offset < TARGET_LEN.load(Relaxed)
        && unsafe {
            if serve == Serve::Unprotect as u8 {
                let mut lift = WriteProtect { start, len, mode: 0 };
                libc::ioctl(uffd, UFFDIO_WRITEPROTECT, &raw mut lift) == 0
            } else {
                let mode = if serve == Serve::CopyProtected as u8 { COPY_MODE_WP } else { 0 };
                let src = (SOURCE.load(Relaxed) + offset) as u64;
                let mut copy = Copy { dst: start, src, len, mode, copied: 0 };
                libc::ioctl(uffd, UFFDIO_COPY, &raw mut copy) == 0
            }
        };
    if !done {
        // SAFETY: async-signal-safe; the fault happens again on return and ends the process.
        unsafe { libc::sigaction(libc::SIGBUS, &mem::zeroed(), ptr::null_mut()) };
    }
}
