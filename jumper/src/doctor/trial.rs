//! Mechanisms of the kernel, tried for real: each in a child process that is expected to die by the trap.
//!
//! Nobody catches the trap in the child, so its death by the right signal is the proof. What the child changes (a
//! registered range, dispatch of its system calls) ends with it.
//!
//! # Safety
//!
//! The child of a process with several threads may only make async-signal-safe calls. Everything between [`fork`] and
//! `_exit` is plain system calls and arithmetic: it neither allocates, locks nor panics. Addresses of the program's
//! half are free in this process, whose own memory lies above; they are mapped without replacing anything.

use crate::traps;
use eos_pager::page::{PAGE_SIZE, PageNumber, PageRange};
use eos_pager::uffd::{Protection, Uffd};
use rustix::process::{WaitOptions, WaitStatus};
use std::io;
use std::ptr;

/// Why a mechanism does not work.
#[derive(Debug)]
pub enum TrialError {
    /// The kernel refused a call.
    Refused(io::Error),
    /// All calls succeeded, and no trap came.
    NoTrap,
    /// The child died otherwise.
    Died(i32),
}

/// Exit status of a child that met no trap; below it are error numbers.
const NO_TRAP: i32 = 255;

/// Where the child maps: in the program's half.
const PLACE: u64 = 0x2000_0000_0000;

/// Opens userfaultfd as the runtime does, fills one page and touches one that is missing.
pub fn userfaultfd() -> Result<(), TrialError> {
    in_child(libc::SIGBUS, || {
        let base = map(2 * PAGE_SIZE, libc::PROT_READ | libc::PROT_WRITE)?;
        let first = PageNumber::from_addr(PLACE);
        let uffd = Uffd::open()?;
        uffd.register(PageRange::new(first, PageNumber(first.0 + 2)))?;
        let source = [7u8; PAGE_SIZE as usize];
        uffd.copy(PageRange::single(first), source.as_ptr(), Protection::WriteProtected)?;
        // SAFETY: the page is mapped, and was just filled.
        if unsafe { ptr::read_volatile(base.add(1)) } != 7 {
            return Ok(());
        }
        // SAFETY: the page is mapped; the trap that comes of it ends this process.
        unsafe { ptr::read_volatile(base.add(PAGE_SIZE as usize)) };
        Ok(())
    })
}

/// Switches Syscall User Dispatch on as the runtime does, and makes a system call from the program's half.
pub fn syscall_user_dispatch() -> Result<(), TrialError> {
    in_child(libc::SIGSYS, || {
        // mov eax, SYS_getpid; syscall; ret
        const CODE: [u8; 8] = [0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3];
        let base = map(PAGE_SIZE, libc::PROT_READ | libc::PROT_WRITE)?;
        // SAFETY: the page is mapped, writable and longer than the code; it becomes code before it is called, keeps
        // to the C calling convention, and changes only eax, rcx and r11.
        let call = unsafe {
            ptr::copy_nonoverlapping(CODE.as_ptr(), base, CODE.len());
            if libc::mprotect(base.cast(), PAGE_SIZE as usize, libc::PROT_READ | libc::PROT_EXEC) != 0 {
                return Err(io::Error::last_os_error());
            }
            std::mem::transmute::<*mut u8, extern "C" fn() -> i32>(base)
        };
        traps::dispatch_system_calls()?;
        call();
        Ok(())
    })
}

/// Reads this process's own memory by system call, as the gateway does (process_vm_readv(2)).
pub fn process_vm_readv() -> io::Result<()> {
    let (source, mut target) = ([5u8; 8], [0u8; 8]);
    let remote = libc::iovec { iov_base: source.as_ptr().cast_mut().cast(), iov_len: source.len() };
    let local = libc::iovec { iov_base: target.as_mut_ptr().cast(), iov_len: target.len() };
    // SAFETY: both areas are as long as they say and live until the call returns.
    match unsafe { libc::process_vm_readv(libc::getpid(), &raw const local, 1, &raw const remote, 1, 0) } {
        8 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Fresh memory at [`PLACE`].
fn map(len: u64, protection: i32) -> io::Result<*mut u8> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    // SAFETY: without replacing anything, so no other memory of this process changes.
    let base = unsafe { libc::mmap(PLACE as *mut libc::c_void, len as usize, protection, flags, -1, 0) };
    match base {
        libc::MAP_FAILED => Err(io::Error::last_os_error()),
        base => Ok(base.cast()),
    }
}

/// Runs `body` in a child, which should die by `signal`.
fn in_child(signal: i32, body: fn() -> io::Result<()>) -> Result<(), TrialError> {
    // SAFETY: the child makes async-signal-safe calls only and ends here, see the top of this file.
    let pid = unsafe { libc::fork() };
    if pid < 0 {
        return Err(TrialError::Refused(io::Error::last_os_error()));
    }
    if pid == 0 {
        // SAFETY: plain system calls. The death is expected: no core file, and no handler of the parent's.
        unsafe {
            libc::prctl(libc::PR_SET_DUMPABLE, 0);
            libc::signal(signal, libc::SIG_DFL);
            let status = match body() {
                Ok(()) => NO_TRAP,
                Err(error) => error.raw_os_error().unwrap_or(libc::EIO),
            };
            libc::_exit(status)
        }
    }
    outcome(wait_for(pid).map_err(TrialError::Refused)?, signal)
}

fn wait_for(pid: i32) -> io::Result<WaitStatus> {
    loop {
        match rustix::process::waitpid(rustix::process::Pid::from_raw(pid), WaitOptions::empty()) {
            Ok(Some((_, status))) => return Ok(status),
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn outcome(status: WaitStatus, signal: i32) -> Result<(), TrialError> {
    match (status.terminating_signal(), status.exit_status()) {
        (Some(by), _) if by == signal => Ok(()),
        (Some(by), _) => Err(TrialError::Died(by)),
        (None, Some(NO_TRAP)) => Err(TrialError::NoTrap),
        (None, code) => Err(TrialError::Refused(io::Error::from_raw_os_error(code.unwrap_or(libc::EIO)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_traps_faults_and_system_calls() {
        userfaultfd().expect("userfaultfd works here");
        syscall_user_dispatch().expect("Syscall User Dispatch works here");
        process_vm_readv().expect("reading works here");
        // the parent goes on as before
        assert!(std::fs::metadata("/proc/self").is_ok());
    }

    #[test]
    fn refusals_deaths_and_missing_traps_are_told_apart() {
        let refused = in_child(libc::SIGBUS, || Err(io::Error::from_raw_os_error(libc::EPERM)));
        assert!(matches!(refused, Err(TrialError::Refused(error)) if error.raw_os_error() == Some(libc::EPERM)));
        assert!(matches!(in_child(libc::SIGBUS, || Ok(())), Err(TrialError::NoTrap)));
        // SAFETY: a signal to the child itself.
        let died = in_child(libc::SIGBUS, || unsafe {
            libc::kill(libc::getpid(), libc::SIGKILL);
            Ok(())
        });
        assert!(matches!(died, Err(TrialError::Died(libc::SIGKILL))));
    }
}
