//! Traps: how the program enters the runtime (a system call, a page fault, a signal) and leaves it again.
//!
//! System calls of the program arrive as SIGSYS (Syscall User Dispatch: every `syscall` instruction below `APP_END`),
//! faults on evicted pages as SIGBUS (userfaultfd), the program's own errors as SIGSEGV and friends. All of them are
//! synchronous and interrupt program code only, so their handlers may use all of std, like a kernel entered by a trap.
//!
//! # Safety
//!
//! `trap` is called by the assembly in `entry` with the kernel's own pointers; the header's state pointer is the
//! [`Executor`] that [`install`] was given, alive for the rest of the process and used by this thread only.

pub mod block;
pub mod context;
pub mod entry;

use std::io;
use std::mem::MaybeUninit;

use crate::executor::Executor;
use context::Frame;
use eos_pager::page::APP_END;

/// Signals that always belong to the runtime; the program's own dispositions for them are kept in its table.
pub const OWNED: [libc::c_int; 3] = [libc::SIGSYS, libc::SIGBUS, libc::SIGSEGV];

/// `PR_SET_SYSCALL_USER_DISPATCH` and `PR_SYS_DISPATCH_ON`, linux/prctl.h.
const SET_SYSCALL_USER_DISPATCH: libc::c_int = 59;
const DISPATCH_ON: libc::c_ulong = 1;
/// Calls from here up are the runtime's own.
const RUNTIME_BYTES: u64 = 0x7fff_ffff_f000 - APP_END;

/// Gives the calling thread a trap block for `executor` and installs the handlers of [`OWNED`].
///
/// # Errors
/// The kernel refused memory, the alternate stack or a handler.
pub fn install(executor: &'static mut Executor) -> io::Result<()> {
    block::attach(std::ptr::from_mut(executor).cast())?;
    for signal in OWNED {
        take_signal(signal, OWNED.iter().fold(0, |mask, &owned| mask | bit(owned)))?;
    }
    Ok(())
}

/// The bit of `signal` in a kernel signal set.
pub fn bit(signal: libc::c_int) -> u64 {
    1 << (signal - 1)
}

/// Routes `signal` to the trap entry, with `mask` blocked meanwhile.
///
/// The synchronous signals must not be blocked: a fault while they are would kill the process without a word.
///
/// # Errors
/// The kernel refused the signal number.
pub fn take_signal(signal: libc::c_int, mask: u64) -> io::Result<()> {
    let blocked = mask & !OWNED.iter().fold(0, |set, &owned| set | bit(owned));
    // SAFETY: sigaction gets a fully initialised structure; the handler is the trap entry.
    let outcome = unsafe {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
        action.sa_sigaction = entry::entry as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
        (&raw mut action.sa_mask).cast::<u64>().write(blocked);
        libc::sigaction(signal, &raw const action, std::ptr::null_mut())
    };
    if outcome < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
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

/// A trap: called by `entry::entry` with the runtime's fs base in place. Returns 1 if the program goes on, 0 if the
/// runtime itself was interrupted and does.
unsafe extern "C" fn trap(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
    header: *mut block::Header,
) -> u32 {
    // SAFETY: see the module's safety section.
    let (executor, info, frame) = unsafe {
        (&mut *(*header).state.cast::<Executor>(), &mut *info, Frame::new(&mut *context.cast::<libc::ucontext_t>()))
    };
    // SAFETY: si_addr is a plain field of the union that these signals fill.
    let address = unsafe { info.si_addr() } as u64;
    // What an instruction or a trap raised has a positive code; what somebody sent is the program's to handle.
    let sent = info.si_code <= 0;
    if frame.rip() >= APP_END && OWNED.contains(&signal) && !sent {
        die_of_own_fault(signal, address, frame.rip());
    }
    if frame.rip() >= APP_END && !executor.parks_by(signal) {
        executor.set_aside(*info);
        return 0;
    }
    // SAFETY: the header outlives the trap, and only this thread reads or writes it.
    let app_fs = unsafe { &mut (*header).app_fs };
    executor.on_trap(crate::executor::Trap { signal, info, address, frame, app_fs });
    // SAFETY: as above; the executor is done with the frame.
    let leads_to = unsafe { (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs[libc::REG_RIP as usize] };
    u32::from(leads_to.cast_unsigned() < APP_END)
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
