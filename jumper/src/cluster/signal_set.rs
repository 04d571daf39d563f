//! Blocking signals, and reading them as bytes.
//!
//! # Safety
//!
//! The calls here take pointers to signal sets on this function's own stack, which libc fills or
//! reads during the call only. A zeroed `sigset_t` is a valid empty set on Linux.

use crate::gateway::{is_error, syscall6};
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr;

/// All signals are blocked in this thread, and in threads it starts, until this is dropped. All: also 32 and 33, which the C
/// library's own calls leave out, and which a program's handlers may be for.
#[derive(Debug)]
pub struct SignalsBlocked {
    before: u64,
}

impl SignalsBlocked {
    /// Blocks all signals in the calling thread.
    pub fn all() -> io::Result<SignalsBlocked> {
        set_kernel_mask(!0).map(|before| SignalsBlocked { before })
    }
}

/// Blocks all signals in the calling thread, one that the runtime has started, for good. It starts with [`SignalsBlocked`] in place; but
/// glibc lets signal 32 in again in every thread that it starts, and 33 where it makes its first.
pub fn block_for_good() {
    let _ = set_kernel_mask(!0);
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        let _ = set_kernel_mask(self.before);
    }
}

/// Sets this thread's mask (bit n-1 for signal n) and returns the one before.
fn set_kernel_mask(mask: u64) -> io::Result<u64> {
    let mut before = 0_u64;
    let (new, old) = (&raw const mask as u64, &raw mut before as u64);
    // SAFETY: the kernel reads and writes eight bytes of this function's own variables.
    let result =
        unsafe { syscall6(libc::SYS_rt_sigprocmask.cast_unsigned(), [libc::SIG_SETMASK as u64, new, old, 8, 0, 0]) };
    if is_error(result) { Err(io::Error::from_raw_os_error(-result as i32)) } else { Ok(before) }
}

/// From now on a write to a closed pipe or socket is an error and nothing else. For processes of our
/// own only, never for one that hosts a program.
pub fn ignore_sigpipe() {
    // SAFETY: no handler is installed; the call only changes what the kernel does with the signal.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

/// Blocks `signals` in this thread for good and returns a descriptor to read them from (signalfd(2)).
pub fn signal_fd(signals: &[i32]) -> io::Result<OwnedFd> {
    // SAFETY: see the top of this file.
    let set = unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for signal in signals {
            libc::sigaddset(&mut set, *signal);
        }
        set
    };
    change_mask(libc::SIG_BLOCK, &set)?;
    // SAFETY: `set` is valid; the result is checked before it is taken as a new descriptor of ours.
    unsafe {
        match libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd)),
        }
    }
}

/// The number of the next signal that waits on a descriptor of [`signal_fd`], if there is one.
pub fn next_signal(fd: &OwnedFd) -> Option<i32> {
    let mut info = [0u8; size_of::<libc::signalfd_siginfo>()];
    match rustix::io::read(fd, &mut info) {
        Ok(count) if count == info.len() => {
            let number = info.first_chunk::<4>()?;
            Some(i32::from_ne_bytes(*number))
        }
        _ => None,
    }
}

fn change_mask(how: i32, set: &libc::sigset_t) -> io::Result<libc::sigset_t> {
    // SAFETY: see the top of this file.
    unsafe {
        let mut before: libc::sigset_t = std::mem::zeroed();
        match libc::pthread_sigmask(how, ptr::from_ref(set), &mut before) {
            0 => Ok(before),
            errno => Err(io::Error::from_raw_os_error(errno)),
        }
    }
}
