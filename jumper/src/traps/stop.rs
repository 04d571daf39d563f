//! Stopping a thread: a signal that makes it trap, wherever it runs the program.
//!
//! It is a SIGBUS, which is never blocked and always the runtime's, with a code that nobody else uses. Not SIGSYS: a standard signal
//! that is pending already is not queued a second time, so one sent in the moment of a system call would take the place of that
//! call's own, and the call would be lost. A fault whose SIGBUS is lost happens again.
//!
//! # Safety
//!
//! The kernel reads a `siginfo_t` of this function's own.

use crate::gateway::syscall6;

/// `si_code` of the signal. Negative, as of everything that a process sends.
const STOP_CODE: i32 = -0x0e05;

/// Sends it to a thread of this process. One that has ended does not hear it.
pub(crate) fn stop(id: u32) {
    // SAFETY: a siginfo_t is plain integers; the kernel reads it during the call.
    unsafe {
        let mut info = std::mem::zeroed::<libc::siginfo_t>();
        info.si_signo = libc::SIGBUS;
        info.si_code = STOP_CODE;
        let process = libc::getpid() as u64;
        let call = libc::SYS_rt_tgsigqueueinfo.cast_unsigned();
        syscall6(call, [process, id.into(), libc::SIGBUS as u64, (&raw const info) as u64, 0, 0]);
    }
}

/// Whether this is the signal.
pub(crate) fn is_stop(signal: i32, info: &libc::siginfo_t) -> bool {
    signal == libc::SIGBUS && info.si_code == STOP_CODE
}
