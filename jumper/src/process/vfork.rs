//! vfork(2), and clone(2) as posix_spawn(3) and Go use it: the child borrows the parent's memory, and the parent's thread sleeps until
//! the child ends or becomes another program.
//!
//! The child is a *guest* in the parent's house: it shares memory, and so the runtime's state and its lock, while its descriptors, its
//! signal dispositions and its end are its own. It runs on a trap block of its own and uses the thread-local storage of the
//! parent's thread, which sleeps.
//!
//! # Safety
//!
//! The guest's stack, block and state belong to the parent, which frees them when clone(2) returns there: the guest is gone from
//! its memory then.

use std::io;

use crate::RunError;
use crate::cluster::signal_set::SignalsBlocked;
use crate::executor::{Done, Executor, Next, Trap};
use crate::gateway::{Call, syscall6};
use crate::signals::Actions;
use crate::threads::{Birth, Guest, Hosted, Start, raise_first_trap};
use crate::traps::{self, OWNED};

/// Stack for the guest's way into the program, in bytes; its traps run on a block.
const STACK_BYTES: usize = 64 << 10;

/// What a child that borrows memory may share beside.
const TAKEN: u64 = (libc::CLONE_VM
    | libc::CLONE_VFORK
    | libc::CLONE_FS
    | libc::CLONE_FILES
    | libc::CLONE_SYSVSEM
    | libc::CLONE_PIDFD
    | libc::CLONE_PARENT_SETTID
    | libc::CLONE_CHILD_SETTID
    | libc::CLONE_CHILD_CLEARTID
    | libc::CLONE_SETTLS
    | libc::CLONE_IO) as u64
    | CLEAR_SIGHAND;
/// `CLONE_CLEAR_SIGHAND` of clone3(2): handlers become defaults.
const CLEAR_SIGHAND: u64 = 1 << 32;
/// Of these, what the kernel itself is asked for. The program's memory is for the runtime to write to.
const OF_KERNEL: u64 = (libc::CLONE_VM
    | libc::CLONE_VFORK
    | libc::CLONE_FS
    | libc::CLONE_FILES
    | libc::CLONE_SYSVSEM
    | libc::CLONE_PIDFD
    | libc::CLONE_IO) as u64;

/// What came of a birth: number and descriptor of the child.
pub(crate) struct Born {
    pid: i32,
    pidfd: Option<i32>,
}

impl Executor {
    /// A clone that makes a process.
    pub(crate) fn make_process(
        &mut self,
        call: &'static Call,
        birth: Birth,
        trap: &mut Trap<'_>,
    ) -> Result<Done, RunError> {
        let borrows = birth.asks(libc::CLONE_VM) && birth.asks(libc::CLONE_VFORK);
        if borrows && birth.flags & !TAKEN == 0 && !trap.thread.is_guest() {
            return Ok(Done::Next(Next::Vfork(birth)));
        }
        if birth.is_fork() && !trap.thread.is_guest() {
            return self.fork(&birth, trap);
        }
        self.name_refused(call);
        Ok(Done::Result(-i64::from(libc::ENOSYS)))
    }

    /// Prepares for a guest: while it lives it counts as a thread.
    pub(crate) fn invite(&mut self) -> Actions {
        self.threads += 1;
        self.crew.anchor();
        self.pager.several_threads = true;
        self.actions.clone()
    }

    /// The guest is gone: the parent goes on.
    pub(crate) fn guest_has_left(
        &mut self,
        birth: &Birth,
        born: io::Result<Born>,
        trap: &mut Trap<'_>,
    ) -> Result<Next, RunError> {
        self.threads -= 1;
        self.crew.weigh();
        self.pager.several_threads = self.threads > 1;
        let result = match born {
            Ok(born) => {
                for (asked, at, number) in [
                    (libc::CLONE_PARENT_SETTID, birth.parent_tid, Some(born.pid)),
                    (libc::CLONE_PIDFD, birth.pidfd, born.pidfd),
                ] {
                    if let Some(number) = number.filter(|_| birth.asks(asked)) {
                        let _ = self.store(at, &number.to_le_bytes())?;
                    }
                }
                i64::from(born.pid)
            }
            Err(error) => -i64::from(error.raw_os_error().unwrap_or(libc::EAGAIN)),
        };
        trap.frame.set(libc::REG_RAX, result.cast_unsigned());
        Ok(Next::Resume)
    }
}

/// Makes the guest and sleeps until it has left. Called without the lock of the house, which the guest needs.
pub(crate) fn vfork(parent: &Hosted, birth: &Birth, start: Start, actions: Actions) -> io::Result<Born> {
    let mut hosted = Hosted::starting(parent.house, start);
    let cleared = birth.flags & CLEAR_SIGHAND != 0;
    let handled = if cleared { 0 } else { parent.handled() };
    let actions = if cleared { actions.without_handlers() } else { actions };
    hosted.guest = Some(Box::new(Guest { actions, handled: handled.into() }));
    let mut guest =
        Arriving { hosted, set_tid: birth.asks(libc::CLONE_CHILD_SETTID).then_some(birth.child_tid), block: None };
    let mut stack = vec![0_u128; STACK_BYTES / 16];
    let mut pidfd = -1;
    let flags = (birth.flags & OF_KERNEL) as libc::c_int | birth.exit_signal as libc::c_int;
    let _blocked = SignalsBlocked::all()?;
    // SAFETY: the child runs `arrive` on a stack of its own; this thread sleeps until it has left (CLONE_VFORK), and everything
    // that the child was given lives until then.
    let pid = unsafe {
        let top = stack.as_mut_ptr_range().end.cast();
        libc::clone(arrive, top, flags, (&raw mut guest).cast(), &raw mut pidfd)
    };
    let failed = if pid < 0 { Some(io::Error::last_os_error()) } else { None };
    if let Some(block) = guest.block.take() {
        traps::forget(block);
    }
    match failed {
        Some(error) => Err(error),
        None => Ok(Born { pid, pidfd: (pidfd >= 0).then_some(pidfd) }),
    }
}

/// A guest on its way in.
struct Arriving {
    hosted: Hosted,
    set_tid: Option<u64>,
    block: Option<traps::block::Block>,
}

/// The guest's first steps. All signals are blocked.
extern "C" fn arrive(argument: *mut libc::c_void) -> libc::c_int {
    const COULD_NOT: libc::c_int = 127;
    // SAFETY: the parent passes its `Arriving`, and sleeps.
    let guest = unsafe { &mut *argument.cast::<Arriving>() };
    guest.hosted.renumber();
    for owned in OWNED {
        if traps::take_signal(owned, !0, 0).is_err() {
            return COULD_NOT;
        }
    }
    if guest.hosted.guest.as_ref().is_some_and(|guest| guest.handled.load(std::sync::atomic::Ordering::Relaxed) == 0) {
        // Handlers that CLONE_CLEAR_SIGHAND has cleared for the program are the kernel's defaults again.
        (1..=64).filter(|signal| parent_handles(&guest.hosted, *signal)).for_each(|signal| {
            crate::executor::signals::set_kernel_action(signal, libc::SIG_DFL, 0);
        });
    }
    if let Some(at) = guest.set_tid {
        let _ = guest.hosted.house.enter().store(at, &guest.hosted.id.to_le_bytes());
    }
    let ready = traps::attach(&raw mut guest.hosted).and_then(|block| {
        guest.block = Some(block);
        traps::dispatch_system_calls()
    });
    if ready.is_ok() {
        raise_first_trap();
    }
    // SAFETY: a system call that does not return.
    unsafe { syscall6(libc::SYS_exit_group.cast_unsigned(), [COULD_NOT as u64, 0, 0, 0, 0, 0]) };
    COULD_NOT
}

fn parent_handles(guest: &Hosted, signal: i32) -> bool {
    guest.house.handled.load(std::sync::atomic::Ordering::Relaxed) & traps::bit(signal) != 0
}
