//! Signals of the app: its actions, its masks and alternate stacks, and the frames its handlers run in.
//!
//! The kernel knows only the runtime's own handlers. When the app is to get a signal, the runtime's handler calls
//! [`push_frame`] with its own signal context, which builds the frame that the kernel would have built, in app memory,
//! and edits the context so that returning from the runtime's handler enters the app's. The app's `rt_sigreturn` comes
//! back through the gateway, which calls [`pop_frame`]. The masks of the app are kept here; the kernel's mask of the
//! thread is the runtime's business.
//!
//! Does not: hold back a signal that is blocked, queue signals, restart system calls; see [`threads`](crate::threads) and
//! [`traps::interruptible`](crate::traps::interruptible).

mod actions;
mod altstack;
mod fpstate;
mod frame;
mod layout;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_real;

pub use actions::{Actions, DefaultAction, KernelSigaction, SIGNAL_MAX};
pub use altstack::AltStack;
pub use fpstate::FpState;
pub use frame::{BadFrame, pop_frame, push_frame};

/// Signal state of one app thread, as the app knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadSignals {
    /// Blocked signals: bit n-1 for signal n.
    pub mask: u64,
    /// While rt_sigsuspend, ppoll, pselect6 or epoll_pwait runs with a mask of its own: the mask to go back to. The
    /// next frame saves it in place of `mask`.
    pub saved_mask: Option<u64>,
    /// The alternate stack.
    pub altstack: AltStack,
}

impl ThreadSignals {
    /// As execve(2) leaves a thread: no alternate stack; `mask` is inherited.
    #[must_use]
    pub fn new(mask: u64) -> Self {
        ThreadSignals { mask: mask & !actions::UNBLOCKABLE, saved_mask: None, altstack: AltStack::DISABLED }
    }
}

/// The mask bit of signal `signo`; 0 if there is no such signal.
#[must_use]
pub fn signal_bit(signo: i32) -> u64 {
    match signo {
        1..=SIGNAL_MAX => 1 << (signo - 1),
        _ => 0,
    }
}
