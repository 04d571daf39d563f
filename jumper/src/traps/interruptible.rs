//! System calls that a signal of the program may interrupt.
//!
//! A signal with a handler that comes between the last look at [`Pending`](crate::threads::Pending) and the `syscall` instruction
//! must not be slept over. So the look and the instruction are one window of code: a handler that finds its thread inside it
//! moves it to the exit [`RESTART`]. The same exit serves the kernel's own restarts: for `SA_RESTART` it puts RIP back on the
//! `syscall` instruction, which lies in the window; the runtime then puts the *program* back on its instruction, so that
//! the handler runs first and the call is made anew, as natively. A call that is not restarted has returned `EINTR`.
//!
//! # Safety
//!
//! The window's code uses registers that syscall(2) lists, and memory through the two pointers that the caller gives.

use std::arch::global_asm;

/// What a call answers that has not been made, or is to be made again: `-ERESTARTSYS`, which no kernel tells a program.
pub const RESTART: i64 = -512;

global_asm!(
    ".pushsection .text.eos_rdma_interruptible, \"ax\", @progbits",
    ".globl eos_rdma_interruptible, eos_rdma_window_start, eos_rdma_window_call, eos_rdma_window_exit",
    ".hidden eos_rdma_interruptible, eos_rdma_window_start, eos_rdma_window_call, eos_rdma_window_exit",
    ".type eos_rdma_interruptible, @function",
    "eos_rdma_interruptible:",
    "mov r11, rdi",
    "mov rax, rsi",
    "mov rcx, rdx",
    "mov rdi, [rcx]",
    "mov rsi, [rcx + 8]",
    "mov rdx, [rcx + 16]",
    "mov r10, [rcx + 24]",
    "mov r8, [rcx + 32]",
    "mov r9, [rcx + 40]",
    "eos_rdma_window_start:",
    "cmp qword ptr [r11], 0",
    "jne eos_rdma_window_exit",
    "eos_rdma_window_call:",
    "syscall",
    "ret",
    "eos_rdma_window_exit:",
    "mov rax, {restart}",
    "ret",
    ".size eos_rdma_interruptible, . - eos_rdma_interruptible",
    ".popsection",
    restart = const RESTART,
);

unsafe extern "C" {
    fn eos_rdma_interruptible(flag: *const u64, number: u64, args: *const [u64; 6]) -> i64;
    static eos_rdma_window_start: u8;
    static eos_rdma_window_call: u8;
    static eos_rdma_window_exit: u8;
}

/// Makes system call `number` unless `*flag` is not 0. Returns the kernel's answer, or [`RESTART`].
///
/// # Safety
/// As for [`syscall6`](crate::gateway::syscall6), and `flag` must be readable.
pub unsafe fn call(flag: *const u64, number: u64, args: &[u64; 6]) -> i64 {
    // SAFETY: the caller vouches for the call; the code keeps to the C calling convention.
    unsafe { eos_rdma_interruptible(flag, number, args) }
}

/// Where to go on a thread that a signal has found at `rip`, if it was about to make a call.
pub fn exit_from(rip: u64) -> Option<u64> {
    let window = (&raw const eos_rdma_window_start).addr() as u64..=(&raw const eos_rdma_window_call).addr() as u64;
    window.contains(&rip).then(|| (&raw const eos_rdma_window_exit).addr() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_made_unless_a_signal_waits() {
        let (none, one) = (0_u64, 1_u64);
        let args = [0; 6];
        // SAFETY: getpid takes no arguments.
        let (made, held) = unsafe {
            (
                call(&raw const none, libc::SYS_getpid as u64, &args),
                call(&raw const one, libc::SYS_getpid as u64, &args),
            )
        };
        assert_eq!((made, held), (i64::from(std::process::id()), RESTART));
    }

    #[test]
    fn only_the_window_leads_to_the_exit() {
        let start = (&raw const eos_rdma_window_start).addr() as u64;
        let call = (&raw const eos_rdma_window_call).addr() as u64;
        let exit = (&raw const eos_rdma_window_exit).addr() as u64;
        assert_eq!((exit_from(start), exit_from(call)), (Some(exit), Some(exit)));
        assert_eq!((exit_from(start - 1), exit_from(call + 2), exit_from(exit)), (None, None, None));
    }
}
