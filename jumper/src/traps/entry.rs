//! From the program into the runtime and back: the signal handlers' first and last instructions.
//!
//! A trap arrives on the runtime's alternate stack with the *program's* fs base. Before any Rust code may run (it could
//! touch thread-local storage), the fs base is switched to the runtime's; on the way out it is switched back to the
//! program's, which may have changed meanwhile (`arch_prctl`, a jump).
//!
//! # Safety
//!
//! These are the only places where the fs base changes. `entry` runs only as a signal handler on a [`block`](super::block),
//! whose header the stack pointer leads to.

use super::block::BLOCK_BYTES;

/// The handler for every signal that the runtime takes. Calls `trap(signal, siginfo, ucontext, header)`, which says
/// whether the frame now leads to the program (a worker's first trap begins in the runtime and ends in the program).
///
/// A trap that interrupts the runtime itself finds the runtime's fs base and leaves it alone.
///
/// # Safety
/// For the kernel only, as the handler of a signal that is delivered on a trap block's stack.
#[unsafe(naked)]
pub unsafe extern "C" fn entry(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    core::arch::naked_asm!(
        "push rbx",
        "push r12",
        "sub rsp, 8",
        "mov rbx, rsp",
        "and rbx, {mask}",
        "rdfsbase r12",
        "cmp r12, [rbx]",
        "je 2f",
        "mov [rbx + 8], r12",
        "mov rcx, [rbx]",
        "wrfsbase rcx",
        "2:",
        "mov rcx, rbx",
        "call {trap}",
        "test eax, eax",
        "jz 3f",
        "mov rcx, [rbx + 8]",
        "wrfsbase rcx",
        "3:",
        "add rsp, 8",
        "pop r12",
        "pop rbx",
        "ret",
        mask = const !(BLOCK_BYTES as i64 - 1),
        trap = sym super::trap,
    )
}

/// Leaves the runtime for the program's first instruction. Never returns: the program comes back by traps only.
///
/// # Safety
/// `entry` and `stack` must be addresses of the loaded program, and the trap handlers must be in place.
pub unsafe fn enter_app(entry: u64, stack: u64) -> ! {
    // SAFETY: the caller vouches for the addresses. All registers but r11, which system calls clobber
    // anyway, are zero, as the kernel leaves them after execve(2); nothing is written to the program's stack.
    // rdx = 0 says that there is no function to register with atexit.
    unsafe {
        core::arch::asm!(
            "wrfsbase {zero}",
            "mov rsp, {stack}",
            "mov r11, {entry}",
            "xor eax, eax",
            "xor ebx, ebx",
            "xor ecx, ecx",
            "xor edx, edx",
            "xor esi, esi",
            "xor edi, edi",
            "xor ebp, ebp",
            "xor r8d, r8d",
            "xor r9d, r9d",
            "xor r10d, r10d",
            "xor r12d, r12d",
            "xor r13d, r13d",
            "xor r14d, r14d",
            "xor r15d, r15d",
            "jmp r11",
            zero = in(reg) 0_u64,
            stack = in(reg) stack,
            entry = in(reg) entry,
            options(noreturn)
        )
    }
}
