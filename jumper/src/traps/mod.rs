//! Traps: how the program enters the runtime (a system call, a page fault, a signal) and leaves it again.
//!
//! System calls of the program arrive as SIGSYS (Syscall User Dispatch: every `syscall` instruction below `APP_END`),
//! faults on evicted pages as SIGBUS (userfaultfd), the program's own errors as SIGSEGV and friends. All of them are
//! synchronous and interrupt program code only, so their handlers may use all of std, like a kernel entered by a trap.
//!
//! # Safety
//!
//! `trap` is called by the assembly in `entry` with the kernel's own pointers; the header's state pointer is the
//! [`Hosted`] that [`attach`] was given, alive as long as the block and used by this thread only.

pub mod block;
pub mod context;
mod disposition;
pub mod entry;
pub mod interruptible;
mod stop;

use std::io;

use crate::clock_page;
pub(crate) use stop::{is_stop, stop};

use crate::executor::signals::kernel_mask;
use crate::threads::Hosted;
use context::Frame;

pub use block::{detach, forget};
pub use disposition::set as set_disposition;
use eos_pager::page::APP_END;

/// Signals that always belong to the runtime; the program's own dispositions for them are kept in its table.
pub const OWNED: [libc::c_int; 3] = [libc::SIGSYS, libc::SIGBUS, libc::SIGSEGV];

/// `PR_SET_SYSCALL_USER_DISPATCH` and `PR_SYS_DISPATCH_ON`, linux/prctl.h.
const SET_SYSCALL_USER_DISPATCH: libc::c_int = 59;
const DISPATCH_ON: libc::c_ulong = 1;
/// Calls from here up are the runtime's own.
const RUNTIME_BYTES: u64 = 0x7fff_ffff_f000 - APP_END;

/// Installs the handlers of [`OWNED`] and gives the calling thread, the program's first one here, a trap block.
///
/// # Errors
/// The kernel refused memory, the alternate stack or a handler.
pub fn install(thread: &'static mut Hosted) -> io::Result<()> {
    attach(thread)?;
    OWNED.iter().try_for_each(|&signal| take_signal(signal, 0, 0))
}

/// Gives the calling thread a trap block.
///
/// `thread` must live until the block is detached, or for ever.
///
/// # Errors
/// The kernel refused memory or the alternate stack.
pub fn attach(thread: *mut Hosted) -> io::Result<block::Block> {
    block::attach(thread.cast())
}

/// The bit of `signal` in a kernel signal set.
pub fn bit(signal: libc::c_int) -> u64 {
    1 << (signal - 1)
}

/// Flags of the program's own that the kernel has to know.
const PASSED_ON: libc::c_int = libc::SA_RESTART | libc::SA_NOCLDSTOP | libc::SA_NOCLDWAIT;

/// Routes `signal` to the trap entry, with `mask` blocked meanwhile. Of `flags`, `SA_RESTART` and those of SIGCHLD count.
///
/// The synchronous signals must not be blocked: a fault while they are would kill the process without a word.
///
/// # Errors
/// The kernel refused the signal number.
pub fn take_signal(signal: libc::c_int, mask: u64, flags: libc::c_int) -> io::Result<()> {
    let flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER | flags & PASSED_ON;
    disposition::set(signal, entry::entry as *const () as usize, flags, kernel_mask(mask))
}

/// Turns every system call of the calling thread that is made below `APP_END` into SIGSYS.
///
/// # Errors
/// The kernel is older than 5.11 or was built without it.
pub fn dispatch_system_calls() -> io::Result<()> {
    // SAFETY: the runtime's own code lies in the allowed range, so it goes on unhindered.
    let outcome = unsafe { libc::prctl(SET_SYSCALL_USER_DISPATCH, DISPATCH_ON, APP_END, RUNTIME_BYTES, 0_usize) };
    if outcome < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Where a trap leads, and so which fs base is loaded: what was interrupted goes on with the one it had.
const AS_FOUND: u32 = 0;
/// The program goes on.
const TO_PROGRAM: u32 = 1;
/// The program's thread has ended; what hosted it goes on.
const TO_RUNTIME: u32 = 2;

/// A trap: called by `entry::entry` with the runtime's fs base in place.
unsafe extern "C" fn trap(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
    header: *mut block::Header,
) -> u32 {
    // SAFETY: see the module's safety section.
    let (thread, info, mut frame) = unsafe {
        (&mut *(*header).state.cast::<Hosted>(), &mut *info, Frame::new(&mut *context.cast::<libc::ucontext_t>()))
    };
    // SAFETY: si_addr is a plain field of the union that these signals fill.
    let address = unsafe { info.si_addr() } as u64;
    // SAFETY: the header outlives the trap, and only this thread reads or writes it.
    let app_fs = unsafe { &mut (*header).app_fs };
    clock_page::rewind(&mut frame);
    if frame.rip() >= APP_END {
        match in_runtime(signal, info, address, thread, &mut frame, app_fs) {
            InRuntime::Park => {}
            InRuntime::Enter => {
                let house = thread.house;
                house.settle(crate::executor::Trap { signal, info, address, frame, app_fs, thread });
                return TO_PROGRAM;
            }
            InRuntime::SetAside => return AS_FOUND,
        }
    }
    let house = thread.house;
    house.on_trap(crate::executor::Trap { signal, info, address, frame, app_fs, thread });
    // SAFETY: as above; the house is done with the frame.
    let leads_to = unsafe { (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs[libc::REG_RIP as usize] };
    if leads_to.cast_unsigned() < APP_END { TO_PROGRAM } else { TO_RUNTIME }
}

/// What a trap that interrupted the runtime is.
enum InRuntime {
    /// A worker's first one.
    Park,
    /// The first one of a thread that the program has made; the frame leads there.
    Enter,
    /// A signal for the program, which gets it later.
    SetAside,
}

fn in_runtime(
    signal: libc::c_int,
    info: &libc::siginfo_t,
    address: u64,
    thread: &mut Hosted,
    frame: &mut Frame<'_>,
    app_fs: &mut u64,
) -> InRuntime {
    if is_stop(signal, info) || (thread.parks && signal == crate::jump::recall::KICK) {
        // For a thread that runs the program, or is about to sleep or asleep in a wait that can be broken off. Any other is on its way.
        thread.pending.halt();
        leave_window(frame);
        return InRuntime::SetAside;
    }
    // What an instruction or a trap raised has a positive code; what somebody sent is the program's to handle.
    let sent = info.si_code <= 0;
    let entered = if sent && signal == libc::SIGSYS { thread.enter_program(frame, app_fs) } else { Ok(false) };
    if (OWNED.contains(&signal) && !sent) || entered.is_err() {
        die_of_own_fault(signal, address, frame.rip());
    }
    if entered.is_ok_and(|entered| entered) {
        return InRuntime::Enter;
    }
    if thread.parks && signal == crate::jump::PARK {
        return InRuntime::Park;
    }
    thread.pending.push(*info);
    thread.house.recall.signal();
    // One at a time: until the program has it, the others wait in the kernel.
    frame.set_signal_mask(frame.signal_mask() | thread.handled());
    leave_window(frame);
    InRuntime::SetAside
}

/// If the thread was about to make an interruptible call, it does not.
fn leave_window(frame: &mut Frame<'_>) {
    if let Some(exit) = interruptible::exit_from(frame.rip()) {
        frame.set(libc::REG_RIP, exit);
    }
}

/// A fault of the runtime itself is a bug of ours: say where, and abort.
fn die_of_own_fault(signal: libc::c_int, address: u64, rip: u64) -> ! {
    let base = own_base();
    let text = format!(
        "eos-rdma: internal error: signal {signal} in the runtime at {rip:#x} (offset {:#x}), address {address:#x}; please report this\n",
        rip.wrapping_sub(base)
    );
    // SAFETY: plain write to standard error and an abort with the default action.
    unsafe {
        libc::write(2, text.as_ptr().cast(), text.len());
        libc::signal(libc::SIGABRT, libc::SIG_DFL);
        libc::abort()
    }
}

/// Load address of the runtime's executable, so that the offset in a report can be looked up.
fn own_base() -> u64 {
    std::fs::read_to_string("/proc/self/maps")
        .ok()
        .and_then(|maps| {
            let start = maps.lines().find(|line| line.contains("eos-rdma"))?;
            u64::from_str_radix(start.split('-').next()?, 16).ok()
        })
        .unwrap_or(0)
}
