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
/// A trap that interrupts the runtime itself leaves the fs base as it was: the runtime's, or, where it has interrupted these very
/// instructions, the program's.
///
/// # Safety
/// For the kernel only, as the handler of a signal that is delivered on a trap block's stack.
#[unsafe(naked)]
pub unsafe extern "C" fn entry(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    core::arch::naked_asm!(
        // The directives are for debuggers, which walk from the runtime into what was interrupted.
        ".cfi_startproc",
        "push rbx",
        ".cfi_adjust_cfa_offset 8",
        ".cfi_rel_offset rbx, 0",
        "push r12",
        ".cfi_adjust_cfa_offset 8",
        ".cfi_rel_offset r12, 0",
        "sub rsp, 8",
        ".cfi_adjust_cfa_offset 8",
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
        "mov rcx, r12",
        "cmp eax, {program}",
        "cmove rcx, [rbx + 8]",
        "cmp eax, {runtime}",
        "cmove rcx, [rbx]",
        "wrfsbase rcx",
        "add rsp, 8",
        ".cfi_adjust_cfa_offset -8",
        "pop r12",
        ".cfi_adjust_cfa_offset -8",
        ".cfi_restore r12",
        "pop rbx",
        ".cfi_adjust_cfa_offset -8",
        ".cfi_restore rbx",
        "ret",
        ".cfi_endproc",
        mask = const !(BLOCK_BYTES as i64 - 1),
        trap = sym super::trap,
        program = const super::TO_PROGRAM,
        runtime = const super::TO_RUNTIME,
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
