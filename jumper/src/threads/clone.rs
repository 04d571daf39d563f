//! clone(2) and clone3(2), as far as they make threads.

use std::mem::size_of;

use eos_pager::page::APP_END;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::host::{self, Start};
use crate::RunError;
use crate::executor::{Done, Executor, Trap};
use crate::gateway::{Call, GuestMemory};
use crate::traps::block::read_gs;

/// What every thread shares with its process; a thread that shares less is not there yet.
const SHARED: u64 = (libc::CLONE_VM | libc::CLONE_FS | libc::CLONE_FILES | libc::CLONE_SIGHAND) as u64;
/// What may be asked for beside. `CLONE_DETACHED` has meant nothing since Linux 2.6.2.
const OPTIONAL: u64 = (libc::CLONE_THREAD
    | libc::CLONE_SYSVSEM
    | libc::CLONE_SETTLS
    | libc::CLONE_PARENT_SETTID
    | libc::CLONE_CHILD_SETTID
    | libc::CLONE_CHILD_CLEARTID
    | libc::CLONE_DETACHED
    | libc::CLONE_IO) as u64;
/// The lowest byte of clone(2)'s flags is the signal that tells the parent of the child's end; of no meaning for threads.
const EXIT_SIGNAL: u64 = 0xff;

/// `struct clone_args` as of Linux 5.3 (`CLONE_ARGS_SIZE_VER0`); what later ones add is of no meaning for threads.
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
}

/// What a new thread is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Birth {
    /// `CLONE_` bits.
    pub flags: u64,
    /// What tells the parent of a process's end.
    pub exit_signal: u64,
    /// Stack pointer to begin with; 0: the parent's.
    pub stack: u64,
    /// Where the child's number goes in the parent.
    pub parent_tid: u64,
    /// Where it goes in the child.
    pub child_tid: u64,
    /// The child's fs base, if it is not the parent's.
    pub tls: u64,
    /// Where a descriptor for the child goes.
    pub pidfd: u64,
}

impl Birth {
    fn of_clone(args: [u64; 6]) -> Self {
        let [flags, stack, parent_tid, child_tid, tls, _] = args;
        let exit_signal = flags & EXIT_SIGNAL;
        Self { flags: flags & !EXIT_SIGNAL, exit_signal, stack, parent_tid, child_tid, tls, pidfd: parent_tid }
    }

    fn of_clone3(args: CloneArgs) -> Self {
        let CloneArgs { flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls } = args;
        let stack = stack.wrapping_add(stack_size);
        Self { flags, exit_signal, stack, parent_tid, child_tid, tls, pidfd }
    }

    pub(crate) fn asks(&self, flag: i32) -> bool {
        self.flags & u64::from(flag.cast_unsigned()) != 0
    }

    /// fork(2) or vfork(2), as a clone.
    pub(crate) fn of_call(number: i64) -> Self {
        let flags = if number == libc::SYS_vfork { (libc::CLONE_VFORK | libc::CLONE_VM) as u64 } else { 0 };
        let exit_signal = libc::SIGCHLD as u64;
        Self { flags, exit_signal, stack: 0, parent_tid: 0, child_tid: 0, tls: 0, pidfd: 0 }
    }

    /// Whether this is a thread and no process.
    pub(crate) fn is_thread(&self) -> bool {
        self.asks(libc::CLONE_THREAD)
    }

    /// How the child enters the program, if the parent is in `trap`.
    pub(crate) fn start(&self, trap: &mut Trap<'_>) -> Start {
        Start {
            registers: registers_of_child(self.stack, trap),
            fs: if self.asks(libc::CLONE_SETTLS) { self.tls } else { *trap.app_fs },
            gs: read_gs(),
            mask: trap.thread.signals.mask,
            clear_child_tid: if self.asks(libc::CLONE_CHILD_CLEARTID) { self.child_tid } else { 0 },
            hosts: None,
        }
    }

    /// The error that Linux has for such a thread, or that this runtime has.
    fn refusal(&self) -> Option<i32> {
        let incomplete = !self.asks(libc::CLONE_SIGHAND) || !self.asks(libc::CLONE_VM);
        match self.flags {
            _ if incomplete => Some(libc::EINVAL),
            flags if flags & SHARED != SHARED || flags & !(SHARED | OPTIONAL) != 0 => Some(libc::ENOSYS),
            _ if self.asks(libc::CLONE_SETTLS) && self.tls >= APP_END => Some(libc::EPERM),
            _ => None,
        }
    }
}

impl Executor {
    /// clone and clone3, at home.
    pub(crate) fn clone_call(
        &mut self,
        call: &'static Call,
        args: [u64; 6],
        trap: &mut Trap<'_>,
    ) -> Result<Done, RunError> {
        let errno = |errno: i32| Ok(Done::Result(-i64::from(errno)));
        let birth = match i64::from(call.number) {
            libc::SYS_clone => Birth::of_clone(args),
            _ => match self.clone3_args(args)? {
                Ok(args) => Birth::of_clone3(args),
                Err(refused) => return errno(refused),
            },
        };
        if !birth.is_thread() {
            return self.make_process(call, birth, trap);
        }
        match birth.refusal() {
            Some(refused) => errno(refused),
            None => self.make_thread(birth, trap).map(Done::Result),
        }
    }

    fn clone3_args(&mut self, args: [u64; 6]) -> Result<Result<CloneArgs, i32>, RunError> {
        let [at, size, ..] = args;
        if (size as usize) < size_of::<CloneArgs>() || size > eos_pager::page::PAGE_SIZE {
            let errno = if size > eos_pager::page::PAGE_SIZE { libc::E2BIG } else { libc::EINVAL };
            return Ok(Err(errno));
        }
        let mut words = CloneArgs::default();
        let read = self.with_guest(|guest| guest.read(at, words.as_mut_bytes()))?;
        if read.is_err() {
            return Ok(Err(libc::EFAULT));
        }
        let stack_half_given = (words.stack == 0) != (words.stack_size == 0);
        Ok(if stack_half_given { Err(libc::EINVAL) } else { Ok(words) })
    }

    /// The thread exists when this returns, and enters the program when this trap lets go of the house.
    fn make_thread(&mut self, birth: Birth, trap: &mut Trap<'_>) -> Result<i64, RunError> {
        let start = birth.start(trap);
        let Ok((tid, orders)) = host::spawn(trap.thread.house, start) else {
            return Ok(-i64::from(libc::EAGAIN));
        };
        self.crew.add(tid, Some(tid), orders);
        self.threads += 1;
        self.pager.several_threads = true;
        for (asked, at) in [(libc::CLONE_PARENT_SETTID, birth.parent_tid), (libc::CLONE_CHILD_SETTID, birth.child_tid)]
        {
            if birth.asks(asked) {
                // A bad address does not undo the thread, as natively.
                let _ = self.store(at, &tid.to_le_bytes())?;
            }
        }
        Ok(i64::from(tid))
    }
}

/// The parent's registers, but with the child's result of the call and its stack.
fn registers_of_child(stack: u64, trap: &mut Trap<'_>) -> Vec<u8> {
    let (result, rsp) = (trap.frame.get(libc::REG_RAX), trap.frame.rsp());
    trap.frame.set(libc::REG_RAX, 0);
    if stack != 0 {
        trap.frame.set(libc::REG_RSP, stack);
    }
    let mut registers = Vec::with_capacity(4096);
    trap.frame.pack(&mut registers);
    trap.frame.set(libc::REG_RAX, result);
    trap.frame.set(libc::REG_RSP, rsp);
    registers
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF_GLIBC: u64 = SHARED
        | (libc::CLONE_THREAD
            | libc::CLONE_SYSVSEM
            | libc::CLONE_SETTLS
            | libc::CLONE_PARENT_SETTID
            | libc::CLONE_CHILD_CLEARTID) as u64;

    fn refusal(flags: u64) -> Option<i32> {
        Birth::of_clone([flags, 0, 0, 0, 0, 0]).refusal()
    }

    #[test]
    fn what_c_libraries_ask_for_is_taken_and_what_linux_refuses_is_refused() {
        assert_eq!(refusal(OF_GLIBC), None);
        assert_eq!(refusal(OF_GLIBC & !(libc::CLONE_VM as u64)), Some(libc::EINVAL));
        assert_eq!(refusal(OF_GLIBC & !(libc::CLONE_SIGHAND as u64)), Some(libc::EINVAL));
        assert_eq!(refusal(OF_GLIBC & !(libc::CLONE_FILES as u64)), Some(libc::ENOSYS));
        assert_eq!(refusal(OF_GLIBC | libc::CLONE_NEWNS as u64), Some(libc::ENOSYS));
    }

    #[test]
    fn both_calls_say_the_same() {
        let clone = Birth::of_clone([OF_GLIBC | 17, 0x2000, 1, 2, 3, 0]);
        assert_eq!((clone.flags, clone.exit_signal), (OF_GLIBC, 17));
        let args = CloneArgs {
            flags: OF_GLIBC,
            pidfd: 1,
            exit_signal: 17,
            child_tid: 2,
            parent_tid: 1,
            stack: 0x1000,
            stack_size: 0x1000,
            tls: 3,
        };
        assert_eq!(clone, Birth::of_clone3(args));
    }
}
