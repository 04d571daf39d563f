//! Helper threads: named, small, and deaf to signals.
//!
//! # Safety
//! The only unsafe calls set the signal mask of the calling thread, with masks that live on its own stack.

use std::mem::MaybeUninit;
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
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigfillset initialises `all`; pthread_sigmask reads `all` and writes `before`, both on this stack.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
    }
    let thread = Builder::new().name(name).stack_size(STACK).spawn(work);
    // SAFETY: `before` was initialised by the call above, which cannot fail with these arguments.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut()) };
    thread.map_err(|source| VerbsError::Local { what: "start a helper thread", source })
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
