//! What the app wants done with each signal: rt_sigaction(2), kept by the runtime.

use libc::{SA_NOCLDSTOP, SA_NOCLDWAIT, SA_NODEFER, SA_ONSTACK, SA_RESETHAND, SA_RESTART, SA_SIGINFO};
use rustix::io::Errno;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::signal_bit;

/// The highest signal number.
pub const SIGNAL_MAX: i32 = 64;
/// Bytes of the kernel's signal set.
const SIGSET_LEN: u64 = 8;

/// The program gave a function to return with; x86-64 has no other way. Not in the libc crate.
pub(super) const SA_RESTORER: u64 = 0x0400_0000;
const SA_EXPOSE_TAGBITS: u64 = 0x0000_0800;
/// Flags that this kernel interface knows; the others are cleared, which is how programs find out.
const SA_KNOWN: u64 = (SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER) as u32 as u64
    | SA_RESETHAND as u32 as u64
    | SA_RESTORER
    | SA_EXPOSE_TAGBITS;

/// SIGKILL and SIGSTOP: never blocked, never caught.
pub(super) const UNBLOCKABLE: u64 = 1 << (libc::SIGKILL - 1) | 1 << (libc::SIGSTOP - 1);

const SIG_DFL: u64 = libc::SIG_DFL as u64;
const SIG_IGN: u64 = libc::SIG_IGN as u64;

/// `struct sigaction` as rt_sigaction(2) takes it on x86-64.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct KernelSigaction {
    /// Address of the handler, `SIG_DFL` or `SIG_IGN`.
    pub handler: u64,
    /// `SA_*` bits.
    pub flags: u64,
    /// Where a handler returns to.
    pub restorer: u64,
    /// Blocked while the handler runs: bit n-1 for signal n.
    pub mask: u64,
}

impl KernelSigaction {
    /// Whether `SA_*` bit `flag` is set.
    #[must_use]
    pub fn has(&self, flag: i32) -> bool {
        self.flags & u64::from(flag as u32) != 0
    }

    /// Whether it is a handler of the program's.
    #[must_use]
    pub fn is_handler(&self) -> bool {
        !matches!(self.handler, SIG_DFL | SIG_IGN)
    }
}

/// What a signal does when it is not caught (signal(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultAction {
    /// Ends the process.
    Terminate,
    /// Ends the process, with a core dump where one is asked for.
    Core,
    /// Nothing.
    Ignore,
    /// Stops the process.
    Stop,
    /// Continues a stopped process.
    Continue,
}

impl DefaultAction {
    /// The default of signal `signo`.
    #[must_use]
    pub fn of(signo: i32) -> DefaultAction {
        use libc::{SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGQUIT, SIGSEGV, SIGSYS, SIGTRAP, SIGXCPU, SIGXFSZ};
        use libc::{SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH};
        match signo {
            SIGABRT | SIGBUS | SIGFPE | SIGILL | SIGQUIT | SIGSEGV | SIGSYS | SIGTRAP | SIGXCPU | SIGXFSZ => Self::Core,
            SIGCHLD | SIGURG | SIGWINCH => Self::Ignore,
            SIGSTOP | SIGTSTP | SIGTTIN | SIGTTOU => Self::Stop,
            SIGCONT => Self::Continue,
            _ => Self::Terminate,
        }
    }
}

/// The actions of all signals, shared by the threads of the app.
#[derive(Debug, Clone)]
pub struct Actions {
    table: [KernelSigaction; SIGNAL_MAX as usize],
}

impl Actions {
    /// As execve(2) leaves them: every signal in `ignored` (bit n-1 for signal n) stays ignored, all others are default.
    #[must_use]
    pub fn new(ignored: u64) -> Self {
        let mut table = [KernelSigaction::default(); SIGNAL_MAX as usize];
        for (i, action) in table.iter_mut().enumerate() {
            if ignored & !UNBLOCKABLE & (1 << i) != 0 {
                action.handler = SIG_IGN;
            }
        }
        Actions { table }
    }

    /// As `CLONE_CLEAR_SIGHAND` leaves them: what has a handler is default.
    #[must_use]
    pub fn without_handlers(mut self) -> Self {
        self.table
            .iter_mut()
            .filter(|action| action.is_handler())
            .for_each(|action| *action = KernelSigaction::default());
        self
    }

    /// The action of `signo`. A number that is no signal has the default action.
    #[must_use]
    pub fn get(&self, signo: i32) -> KernelSigaction {
        index(signo).map_or_else(KernelSigaction::default, |i| self.table[i])
    }

    /// rt_sigaction(2): sets the action of `signo` if `new` is given, and returns the one before. `sigset_len` is the
    /// call's last argument. Copying from and to app memory is the caller's business.
    ///
    /// # Errors
    /// `EINVAL`: no such signal, SIGKILL or SIGSTOP with `new`, `sigset_len` other than 8.
    pub fn set(
        &mut self,
        signo: i32,
        new: Option<&KernelSigaction>,
        sigset_len: u64,
    ) -> Result<KernelSigaction, Errno> {
        let i = index(signo).filter(|_| sigset_len == SIGSET_LEN).ok_or(Errno::INVAL)?;
        let old = self.table[i];
        if let Some(new) = new {
            if signal_bit(signo) & UNBLOCKABLE != 0 {
                return Err(Errno::INVAL);
            }
            let (flags, mask) = (new.flags & SA_KNOWN, new.mask & !UNBLOCKABLE);
            self.table[i] = KernelSigaction { flags, mask, ..*new };
        }
        Ok(old)
    }

    /// Whether a signal that arrives now would do nothing, so that it is not even made pending.
    #[must_use]
    pub fn ignores(&self, signo: i32) -> bool {
        match self.get(signo).handler {
            SIG_IGN => true,
            SIG_DFL => DefaultAction::of(signo) == DefaultAction::Ignore,
            _ => false,
        }
    }

    /// The handler for an unblocked signal that is to be delivered now; `None`: it is ignored or does its default. With
    /// `SA_RESETHAND` the action becomes the default.
    pub fn take(&mut self, signo: i32) -> Option<KernelSigaction> {
        let i = index(signo)?;
        let action = self.table[i];
        if !action.is_handler() {
            return None;
        }
        if action.has(SA_RESETHAND) {
            self.table[i].handler = SIG_DFL;
        }
        Some(action)
    }

    /// The handler for a signal that the app's own instruction raised (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, or a
    /// frame that cannot be written). As Linux does, one that is blocked or ignored is unblocked and made default, since
    /// the instruction cannot go on. `None`: do the default, which ends the process.
    pub fn take_forced(&mut self, signo: i32, mask: &mut u64) -> Option<KernelSigaction> {
        let i = index(signo)?;
        let blocked = *mask & signal_bit(signo) != 0;
        if blocked || self.table[i].handler == SIG_IGN {
            self.table[i].handler = SIG_DFL;
            *mask &= !signal_bit(signo);
        }
        self.take(signo)
    }
}

fn index(signo: i32) -> Option<usize> {
    (1..=SIGNAL_MAX).contains(&signo).then(|| signo as usize - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handler(flags: u64) -> KernelSigaction {
        KernelSigaction { handler: 0x1234, flags, restorer: 0x5678, mask: u64::MAX }
    }

    #[test]
    fn bad_signals_and_bad_sizes_are_refused_as_the_kernel_refuses_them() {
        let mut actions = Actions::new(0);
        let new = handler(0);
        for (signo, size) in [(0, 8), (65, 8), (-1, 8), (libc::SIGKILL, 8), (libc::SIGSTOP, 8), (libc::SIGUSR1, 16)] {
            assert_eq!(actions.set(signo, Some(&new), size), Err(Errno::INVAL), "{signo} {size}");
        }
        assert_eq!(actions.set(libc::SIGKILL, None, 8), Ok(KernelSigaction::default()), "asking is allowed");
        assert_eq!(actions.set(64, Some(&new), 8), Ok(KernelSigaction::default()));
    }

    #[test]
    fn unknown_flags_and_unblockable_signals_are_cleared() {
        let mut actions = Actions::new(0);
        actions.set(libc::SIGUSR1, Some(&handler(u64::MAX)), 8).unwrap();
        let kept = actions.get(libc::SIGUSR1);
        assert_eq!(kept.mask, !(1 << 8 | 1 << 18));
        assert_eq!(kept.flags, 0xdc00_0807);
        assert_eq!((kept.handler, kept.restorer), (0x1234, 0x5678));
    }

    #[test]
    fn a_one_shot_handler_is_taken_once() {
        let mut actions = Actions::new(0);
        actions.set(libc::SIGUSR1, Some(&handler(SA_RESETHAND as u32 as u64)), 8).unwrap();
        assert_eq!(actions.take(libc::SIGUSR1).unwrap().handler, 0x1234);
        assert_eq!(actions.take(libc::SIGUSR1), None);
        assert_eq!(actions.take(libc::SIGUSR2), None);
    }

    #[test]
    fn a_fault_that_is_blocked_or_ignored_ends_the_program() {
        let mut actions = Actions::new(signal_bit(libc::SIGSEGV));
        let mut mask = 0;
        assert!(actions.ignores(libc::SIGSEGV));
        assert_eq!(actions.take_forced(libc::SIGSEGV, &mut mask), None);
        assert!(!actions.ignores(libc::SIGSEGV));

        actions.set(libc::SIGBUS, Some(&handler(0)), 8).unwrap();
        assert!(actions.clone().take_forced(libc::SIGBUS, &mut mask).is_some());
        mask = signal_bit(libc::SIGBUS) | 1;
        assert_eq!(actions.take_forced(libc::SIGBUS, &mut mask), None);
        assert_eq!((mask, actions.get(libc::SIGBUS).handler), (1, SIG_DFL));
    }

    #[test]
    fn defaults_are_those_of_signal_7() {
        assert_eq!(DefaultAction::of(libc::SIGTERM), DefaultAction::Terminate);
        assert_eq!(DefaultAction::of(libc::SIGSEGV), DefaultAction::Core);
        assert_eq!(DefaultAction::of(libc::SIGCHLD), DefaultAction::Ignore);
        assert_eq!(DefaultAction::of(40), DefaultAction::Terminate);
        assert!(Actions::new(0).ignores(libc::SIGWINCH) && !Actions::new(0).ignores(libc::SIGCONT));
    }
}
