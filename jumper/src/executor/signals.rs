//! The program's signals: its system calls about them, and the delivery of those that trap.
//!
//! The kernel's disposition of a signal is the runtime's trap entry where the program has a handler, and what the
//! program chose (default, ignore) otherwise, so a signal that ends the program ends the process as natively.
//!
//! # Safety
//!
//! The XSAVE area of a frame is borrowed from the kernel's own signal frame for the time of one call.

use super::{Executor, Trap, Work};
use crate::RunError;
use crate::executor::Done;
use crate::gateway::{Call, GuestMemory, syscall6};
use crate::signals::{Actions, AltStack, FpState, KernelSigaction, SIGNAL_MAX, pop_frame, push_frame};
use crate::threads::{Guest, Hosted};
use crate::traps::{OWNED, bit, set_disposition, take_signal};
use zerocopy::IntoBytes;

const EFAULT: i64 = -(libc::EFAULT as i64);
const EINVAL: i64 = -(libc::EINVAL as i64);

/// The kernel's mask for the program's: signals that the runtime needs are never blocked.
pub(crate) fn kernel_mask(app_mask: u64) -> u64 {
    OWNED.iter().fold(app_mask, |mask, &signal| mask & !bit(signal))
}

impl Executor {
    /// rt_sigaction, rt_sigprocmask, sigaltstack, rt_sigreturn and the rest of their kin. Home only.
    pub(super) fn signal_call(
        &mut self,
        call: &'static Call,
        args: [u64; 6],
        trap: &mut Trap<'_>,
    ) -> Result<Done, RunError> {
        let result = match i64::from(call.number) {
            libc::SYS_rt_sigaction => self.sigaction(args, trap.thread)?,
            libc::SYS_rt_sigprocmask => self.sigprocmask(args, trap)?,
            libc::SYS_sigaltstack => self.sigaltstack(args, trap)?,
            libc::SYS_rt_sigreturn => return self.sigreturn(trap),
            libc::SYS_rt_sigsuspend | libc::SYS_pause => return self.suspend(call, args, trap),
            libc::SYS_rt_sigpending => {
                let mut pending = 0_u64;
                // SAFETY: the kernel writes eight bytes to the runtime's own variable.
                unsafe {
                    syscall6(libc::SYS_rt_sigpending.cast_unsigned(), [(&raw mut pending) as u64, 8, 0, 0, 0, 0])
                };
                self.store(args[0], &(pending | trap.thread.held()).to_le_bytes())?
            }
            _ => return self.plain(call, args, trap),
        };
        Ok(Done::Result(result))
    }

    fn sigaction(&mut self, args: [u64; 6], thread: &mut Hosted) -> Result<i64, RunError> {
        let [signal, new, old, set_bytes, ..] = args;
        let signal = signal as i32;
        let mut action = KernelSigaction::default();
        if new != 0 && self.with_guest(|guest| guest.read(new, action.as_mut_bytes()))?.is_err() {
            return Ok(EFAULT);
        }
        let before = match self.actions_of(&mut thread.guest).set(signal, (new != 0).then_some(&action), set_bytes) {
            Ok(before) => before,
            Err(errno) => return Ok(-i64::from(errno.raw_os_error())),
        };
        if new != 0 {
            self.tell_kernel(signal, &action, thread);
        }
        if old != 0 {
            return self.store(old, before.as_bytes());
        }
        Ok(0)
    }

    fn sigprocmask(&mut self, args: [u64; 6], trap: &mut Trap<'_>) -> Result<i64, RunError> {
        let [how, new, old, set_bytes, ..] = args;
        if set_bytes != 8 {
            return Ok(EINVAL);
        }
        let before = trap.thread.signals.mask;
        if new != 0 {
            let mut set = 0_u64;
            if self.with_guest(|guest| guest.read(new, set.as_mut_bytes()))?.is_err() {
                return Ok(EFAULT);
            }
            let mask = match how as i32 {
                libc::SIG_BLOCK => before | set,
                libc::SIG_UNBLOCK => before & !set,
                libc::SIG_SETMASK => set,
                _ => return Ok(EINVAL),
            };
            trap.thread.signals.mask = mask & !(bit(libc::SIGKILL) | bit(libc::SIGSTOP));
            trap.frame.set_signal_mask(kernel_mask(trap.thread.signals.mask));
        }
        if old != 0 { self.store(old, &before.to_le_bytes()) } else { Ok(0) }
    }

    fn sigaltstack(&mut self, args: [u64; 6], trap: &mut Trap<'_>) -> Result<i64, RunError> {
        let [new, old, ..] = args;
        let rsp = trap.frame.rsp();
        let before = trap.thread.signals.altstack.report(rsp);
        if new != 0 {
            let mut wanted = AltStack::DISABLED;
            if self.with_guest(|guest| guest.read(new, wanted.as_mut_bytes()))?.is_err() {
                return Ok(EFAULT);
            }
            if let Err(errno) = trap.thread.signals.altstack.set(wanted, rsp) {
                return Ok(-i64::from(errno.raw_os_error()));
            }
        }
        if old != 0 { self.store(old, before.as_bytes()) } else { Ok(0) }
    }

    fn sigreturn(&mut self, trap: &mut Trap<'_>) -> Result<Done, RunError> {
        let (context, bytes) = trap.frame.raw_with_fp();
        let mut thread = trap.thread.signals;
        let popped = self.with_guest(|guest| {
            let mut fp = FpState::new(bytes).ok_or(())?;
            pop_frame(context, &mut fp, &mut thread, guest).map_err(|_| ())
        })?;
        trap.thread.signals = thread;
        if popped.is_err() {
            return Err(RunError::Killed(libc::SIGSEGV));
        }
        trap.frame.set_signal_mask(kernel_mask(trap.thread.signals.mask));
        Ok(Done::Registers)
    }

    /// rt_sigsuspend and pause: sleeps until a signal with a handler comes, which is delivered when the call returns.
    fn suspend(&mut self, call: &'static Call, args: [u64; 6], trap: &mut Trap<'_>) -> Result<Done, RunError> {
        if i64::from(call.number) == libc::SYS_pause {
            return self.plain(call, args, trap);
        }
        let mut mask = 0_u64;
        if args[1] != 8 {
            return Ok(Done::Result(EINVAL));
        }
        if self.with_guest(|guest| guest.read(args[0], mask.as_mut_bytes()))?.is_err() {
            return Ok(Done::Result(EFAULT));
        }
        let own = trap.thread.mask_to_sleep_with(kernel_mask(mask));
        let mut work = Work::new(call, [own, 8, 0, 0, 0, 0]);
        work.own_mask = Some(mask);
        Ok(Done::Kernel(work))
    }

    /// Delivers what was set aside.
    pub(super) fn deliver_pending(&mut self, trap: &mut Trap<'_>) -> Result<(), RunError> {
        while let Some(info) = trap.thread.pending.pop() {
            if trap.thread.holds(&info) {
                continue;
            }
            let actions = self.actions_of(&mut trap.thread.guest);
            match actions.take(info.si_signo) {
                Some(action) => self.divert(&info, &action, trap)?,
                None if actions.ignores(info.si_signo) => {}
                None => return Err(RunError::Killed(info.si_signo)),
            }
        }
        Ok(())
    }

    /// A signal that interrupted the program: its handler runs next, or the program ends as natively.
    pub(super) fn deliver(&mut self, trap: &mut Trap<'_>) -> Result<(), RunError> {
        let signal = trap.signal;
        // SAFETY: si_code is set for every signal.
        let raised_by_instruction = trap.info.si_code > 0;
        let actions = self.actions_of(&mut trap.thread.guest);
        let action = if raised_by_instruction && is_synchronous(signal) {
            actions.take_forced(signal, &mut trap.thread.signals.mask)
        } else if actions.ignores(signal) {
            return Ok(());
        } else {
            actions.take(signal)
        };
        let info = *trap.info;
        match action {
            Some(action) => self.divert(&info, &action, trap),
            // The instruction runs again and meets the default action, with the right cause for whoever waits for us.
            None if raised_by_instruction && signal != libc::SIGSYS => {
                set_kernel_action(signal, libc::SIG_DFL, 0);
                Ok(())
            }
            None => Err(RunError::Killed(signal)),
        }
    }

    fn divert(
        &mut self,
        info: &libc::siginfo_t,
        action: &KernelSigaction,
        trap: &mut Trap<'_>,
    ) -> Result<(), RunError> {
        let (context, bytes) = trap.frame.raw_with_fp();
        let mut thread = trap.thread.signals;
        let pushed = self.with_guest(|guest| {
            let mut fp = FpState::new(bytes).ok_or(())?;
            push_frame(context, &mut fp, info, action, &mut thread, guest).map_err(|_| ())
        })?;
        trap.thread.signals = thread;
        if pushed.is_err() {
            return Err(RunError::Killed(libc::SIGSEGV));
        }
        trap.frame.set_signal_mask(kernel_mask(trap.thread.signals.mask));
        Ok(())
    }

    /// The kernel's own disposition follows the program's, but for the signals that the runtime lives by. While the runtime is at
    /// work, signals with handlers wait, all of them for any of them; others act at once, as natively.
    fn tell_kernel(&mut self, signal: i32, action: &KernelSigaction, thread: &mut Hosted) {
        if OWNED.contains(&signal) {
            return;
        }
        if action.is_handler() {
            thread.set_handled(thread.handled() | bit(signal));
        } else {
            thread.set_handled(thread.handled() & !bit(signal));
            set_kernel_action(signal, action.handler as usize, action.flags as i32);
        }
        let (handled, held_back) = (thread.handled(), thread.held_back());
        let actions = self.actions_of(&mut thread.guest);
        for signal in (1..=SIGNAL_MAX).filter(|&signal| handled & bit(signal) != 0) {
            let told = take_signal(signal, held_back, actions.get(signal).flags as i32);
            debug_assert!(told.is_ok(), "the program's signal number was checked");
        }
        for owned in OWNED {
            let _ = take_signal(owned, held_back, 0);
        }
    }

    /// The dispositions of the process that a thread belongs to.
    fn actions_of<'a>(&'a mut self, guest: &'a mut Option<Box<Guest>>) -> &'a mut Actions {
        match guest {
            Some(guest) => &mut guest.actions,
            None => &mut self.actions,
        }
    }
}

/// Ends the process by a signal's default action.
pub(crate) fn die_natively(signal: i32) -> ! {
    set_kernel_action(signal, libc::SIG_DFL, 0);
    // SAFETY: unblocks and raises the signal; if it does not end the process, `_exit` does.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, signal);
        libc::sigprocmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut());
        libc::kill(libc::getpid(), signal);
        libc::_exit(128 + signal)
    }
}

/// Signals that an instruction of the program can raise.
fn is_synchronous(signal: i32) -> bool {
    matches!(signal, libc::SIGSEGV | libc::SIGBUS | libc::SIGFPE | libc::SIGILL | libc::SIGTRAP | libc::SIGSYS)
}

/// Default or ignore, with the flags that SIGCHLD has then.
pub(crate) fn set_kernel_action(signal: i32, handler: usize, flags: i32) {
    let _ = set_disposition(signal, handler, flags & (libc::SA_NOCLDSTOP | libc::SA_NOCLDWAIT), 0);
}
