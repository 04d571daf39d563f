//! The program's memory as the gateway reads and writes it.
//!
//! # Safety
//!
//! Addresses come from the program and prove nothing. They are looked up in the layout first: only mapped, readable
//! (or writable) ranges below `APP_END` are touched, after their pages were made resident. The copy itself goes
//! through process_vm_readv(2) on ourselves, which answers `EFAULT` instead of faulting (a file mapping may have lost
//! its file).

use eos_pager::page::{APP_END, PageRange};
use eos_pager::pager::Pager;

use crate::RunError;
use crate::gateway::{Fault, GuestMemory};

/// Borrowed view of the program's memory for one system call.
pub struct Guest<'a> {
    pager: &'a mut Pager,
    /// The first error of the pager, for which the run must end.
    pub error: Option<RunError>,
}

impl<'a> Guest<'a> {
    /// A view through `pager`.
    pub fn new(pager: &'a mut Pager) -> Self {
        Self { pager, error: None }
    }

    fn ready(&mut self, addr: u64, len: usize, write: bool) -> Result<PageRange, Fault> {
        let end = addr.checked_add(len as u64).filter(|&end| end <= APP_END);
        let range = PageRange::covering(&(addr..end.ok_or(Fault { addr })?));
        self.pager.ensure(range, write).map_err(|error| {
            self.error.get_or_insert(error.into());
            Fault { addr }
        })?;
        Ok(range)
    }
}

impl GuestMemory for Guest<'_> {
    fn read(&mut self, addr: u64, into: &mut [u8]) -> Result<(), Fault> {
        self.ready(addr, into.len(), false)?;
        let (local, remote) = (io_vector(into.as_mut_ptr() as u64, into.len()), io_vector(addr, into.len()));
        // SAFETY: `into` is ours to write; the other side is checked by the kernel.
        let moved = unsafe { libc::process_vm_readv(libc::getpid(), &raw const local, 1, &raw const remote, 1, 0) };
        check(moved, into.len(), addr)
    }

    fn write(&mut self, addr: u64, bytes: &[u8]) -> Result<(), Fault> {
        self.ready(addr, bytes.len(), true)?;
        let (local, remote) = (io_vector(bytes.as_ptr() as u64, bytes.len()), io_vector(addr, bytes.len()));
        // SAFETY: `bytes` is only read; the other side lies in the app half, checked by the kernel.
        let moved = unsafe { libc::process_vm_writev(libc::getpid(), &raw const local, 1, &raw const remote, 1, 0) };
        check(moved, bytes.len(), addr)
    }
}

fn io_vector(address: u64, len: usize) -> libc::iovec {
    libc::iovec { iov_base: address as *mut libc::c_void, iov_len: len }
}

fn check(moved: isize, wanted: usize, addr: u64) -> Result<(), Fault> {
    if moved == wanted.cast_signed() { Ok(()) } else { Err(Fault { addr }) }
}
