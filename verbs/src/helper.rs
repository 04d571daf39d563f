//! Helper threads: named, small, and deaf to signals.
//!
//! # Safety
//! The only unsafe calls set the signal mask of the calling thread, with masks that live on its own stack.

use std::thread::{Builder, JoinHandle};

use crate::error::VerbsError;

/// Bytes of stack of a helper thread.
const STACK: usize = 128 << 10;

/// Starts a thread in which every signal is blocked from its first instruction: the process runs foreign code whose
/// signal handlers must never see a thread of ours.
///
/// # Errors
/// `Local` when the kernel refuses another thread.
pub(crate) fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, VerbsError> {
    let before = set_mask(!0);
    let body = move || {
        // When it makes its first thread, glibc lets signal 33 in again.
        set_mask(!0);
        work();
    };
    let thread = Builder::new().name(name).stack_size(STACK).spawn(body);
    set_mask(before);
    thread.map_err(|source| VerbsError::Local { what: "start a helper thread", source })
}

/// Sets the calling thread's mask (bit n-1 for signal n) and returns the one before. The C library's own calls leave signals 32 and
/// 33 out, which may be the program's.
fn set_mask(mask: u64) -> u64 {
    const BYTES: usize = 8;
    let mut before = 0_u64;
    // SAFETY: the kernel reads and writes eight bytes of this function's own variables.
    unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const mask, &raw mut before, BYTES);
    }
    before
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_helper_thread_blocks_every_signal_and_its_parent_does_not() {
        let blocked = || {
            let status = std::fs::read_to_string("/proc/thread-self/status").expect("status");
            let line = status.lines().find(|line| line.starts_with("SigBlk:")).expect("SigBlk").to_owned();
            u64::from_str_radix(line.trim_start_matches("SigBlk:").trim(), 16).expect("a mask")
        };
        let before = blocked();
        let thread = spawn("eos-test".into(), move || {
            let mask = blocked();
            // 1 to 31 without SIGKILL and SIGSTOP, which cannot be blocked
            assert_eq!(mask & 0x7fff_ffff, 0x7fff_ffff & !(1 << 8) & !(1 << 18));
        });
        thread.expect("a thread").join().expect("no panic");
        assert_eq!(blocked(), before);
    }
}
