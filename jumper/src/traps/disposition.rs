//! rt_sigaction(2) as the kernel has it: the C library's keeps signals 32 and 33 for itself, which are the program's here.
//!
//! # Safety
//!
//! A handler is the trap entry or none at all; it returns through `eos_rdma_end_of_sigaction`, which is all that the kernel asks.

use std::arch::global_asm;
use std::io;

use crate::gateway::{is_error, syscall6};

const SA_RESTORER: libc::c_int = 0x0400_0000;

/// `struct sigaction` of the kernel on x86-64.
#[repr(C)]
struct KernelAction {
    handler: usize,
    flags: u64,
    restorer: usize,
    mask: u64,
}

// gdb takes a frame for a signal's if its name has "sigaction" in it and the code is this, instruction by instruction.
global_asm!(
    ".pushsection .text.eos_rdma_end_of_sigaction, \"ax\", @progbits",
    ".hidden eos_rdma_end_of_sigaction",
    // Debuggers look for unwind information at the byte before, which must not be of another function.
    "nop",
    ".type eos_rdma_end_of_sigaction, @function",
    "eos_rdma_end_of_sigaction:",
    "mov rax, {number}",
    "syscall",
    ".size eos_rdma_end_of_sigaction, . - eos_rdma_end_of_sigaction",
    ".popsection",
    number = const libc::SYS_rt_sigreturn,
);

unsafe extern "C" {
    fn eos_rdma_end_of_sigaction();
}

/// Sets the kernel's disposition of `signal`: `handler` is a function, `SIG_DFL` or `SIG_IGN`.
///
/// # Errors
/// There is no such signal.
pub fn set(signal: libc::c_int, handler: usize, flags: libc::c_int, mask: u64) -> io::Result<()> {
    let action = KernelAction {
        handler,
        flags: u64::from((flags | SA_RESTORER).cast_unsigned()),
        restorer: eos_rdma_end_of_sigaction as *const () as usize,
        mask,
    };
    let at = (&raw const action) as u64;
    // SAFETY: the kernel reads this function's own variable.
    let result = unsafe { syscall6(libc::SYS_rt_sigaction.cast_unsigned(), [signal as u64, at, 0, 8, 0, 0]) };
    if is_error(result) { Err(io::Error::from_raw_os_error(-result as i32)) } else { Ok(()) }
}
