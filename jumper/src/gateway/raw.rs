//! The one place that enters the kernel with arguments that are not typed.
//!
//! # Safety
//!
//! The `syscall` instruction itself clobbers rax, rcx and r11 only, and leaves the stack (red zone
//! included) alone; syscall(2) lists the registers. What the kernel then does to memory is up to the call,
//! so the duty is the caller's.

use std::arch::asm;

/// Makes system call `number` and returns the kernel's raw answer: a value, or `-errno` in `-4095..=-1`.
///
/// To be called from the runtime's half of the address space, where Syscall User Dispatch lets calls through.
///
/// # Safety
///
/// Every pointer among `args` that the kernel reads or writes for this call must be valid for it for as long
/// as the kernel uses it, or must belong to the app's half (there the worst is what the app could do to itself).
/// The call must not unmap, remap or protect memory of the runtime, nor end or clone the calling thread
/// in a way that Rust code above does not expect.
pub unsafe fn syscall6(number: u64, args: [u64; 6]) -> i64 {
    let result: i64;
    // SAFETY: the clobbers are those of the ABI; memory is taken to be clobbered (no `nomem`), and the
    // caller vouches for the pointers.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as i64 => result,
            in("rdi") args[0],
            in("rsi") args[1],
            in("rdx") args[2],
            in("r10") args[3],
            in("r8") args[4],
            in("r9") args[5],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// True when `result` is one of the kernel's error answers (`-errno`).
pub fn is_error(result: i64) -> bool {
    (-4095..0).contains(&result)
}
