//! The block of memory that a hosted thread's traps run on: a header, a guard page and the alternate signal stack.
//!
//! The block is aligned to its own size, so a trap finds the header from the stack pointer alone, before it may touch
//! any thread-local storage: `rsp & !(BLOCK_BYTES - 1)`.
//!
//! # Safety
//!
//! A block is mapped once for a thread and unmapped when the thread takes no more traps. Its header is written by the owning
//! thread only: by the code that makes it, and by the trap entry.

use std::io;
use std::ptr;

/// Size and alignment of a block, in bytes. Handlers may use all of std, so the stack is a real one.
pub const BLOCK_BYTES: usize = 1 << 20;
const HEADER_BYTES: usize = 4096;
const GUARD_BYTES: usize = 4096;

/// What a trap must know before it may run Rust code. The offsets are used by the assembly in `entry.rs`.
#[repr(C)]
#[derive(Debug)]
pub struct Header {
    /// fs base of the runtime's thread.
    pub runtime_fs: u64,
    /// fs base of the hosted app thread, saved at entry and loaded at exit.
    pub app_fs: u64,
    /// The runtime's state for this thread, as `traps::Handlers` was given it.
    pub state: *mut libc::c_void,
}

const _: () = assert!(std::mem::offset_of!(Header, runtime_fs) == 0);
const _: () = assert!(std::mem::offset_of!(Header, app_fs) == 8);

/// A block that is its thread's signal stack. Not to be dropped lightly: it stays mapped unless it is detached.
#[derive(Debug)]
pub struct Block(*mut Header);

/// Maps a block, fills its header for the calling thread, and makes its stack the thread's alternate signal stack.
///
/// Called once for a thread, before its first trap.
///
/// # Errors
/// The kernel refused the memory or the alternate stack.
pub fn attach(state: *mut libc::c_void) -> io::Result<Block> {
    let header = map_aligned()?;
    let bytes = BLOCK_BYTES - HEADER_BYTES - GUARD_BYTES;
    // SAFETY: the mapping is ours, aligned and large enough for the header; mprotect and sigaltstack get ranges inside it.
    unsafe {
        header.write(Header { runtime_fs: read_fs(), app_fs: 0, state });
        let guard = header.byte_add(HEADER_BYTES).cast::<libc::c_void>();
        if libc::mprotect(guard, GUARD_BYTES, libc::PROT_NONE) != 0 {
            return Err(io::Error::last_os_error());
        }
        let stack =
            libc::stack_t { ss_sp: header.byte_add(HEADER_BYTES + GUARD_BYTES).cast(), ss_flags: 0, ss_size: bytes };
        if libc::sigaltstack(&raw const stack, ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(Block(header))
}

/// Gives the memory of the calling thread's block back. For a thread that has left its last trap.
pub fn detach(block: Block) {
    let none = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
    // SAFETY: the thread runs on its own stack again.
    unsafe { libc::sigaltstack(&raw const none, ptr::null_mut()) };
    forget(block);
}

/// Gives the memory of a block back whose thread is gone.
pub fn forget(block: Block) {
    // SAFETY: it is nobody's stack any more, so nothing refers to it.
    unsafe { libc::munmap(block.0.cast(), BLOCK_BYTES) };
}

/// Maps twice the size and unmaps what sticks out on both sides.
fn map_aligned() -> io::Result<*mut Header> {
    // SAFETY: a fresh mapping of the kernel's choice; the trimmed parts belong to it and nobody knows them yet.
    unsafe {
        let raw = libc::mmap(
            ptr::null_mut(),
            2 * BLOCK_BYTES,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        );
        if raw == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let before = raw.align_offset(BLOCK_BYTES);
        let base = raw.byte_add(before);
        if before > 0 {
            libc::munmap(raw, before);
        }
        libc::munmap(base.byte_add(BLOCK_BYTES), BLOCK_BYTES - before);
        Ok(base.cast())
    }
}

/// The calling thread's fs base.
pub fn read_fs() -> u64 {
    let fs: u64;
    // SAFETY: FSGSBASE is checked at start-up; the instruction only reads a register.
    unsafe { std::arch::asm!("rdfsbase {}", out(reg) fs, options(nomem, nostack, preserves_flags)) };
    fs
}

/// The app's gs base. The runtime never uses gs, so it holds the app's value at all times.
pub fn read_gs() -> u64 {
    let gs: u64;
    // SAFETY: as for `read_fs`.
    unsafe { std::arch::asm!("rdgsbase {}", out(reg) gs, options(nomem, nostack, preserves_flags)) };
    gs
}

/// Sets the app's gs base.
pub fn write_gs(gs: u64) {
    // SAFETY: the runtime's code never addresses memory through gs.
    unsafe { std::arch::asm!("wrgsbase {}", in(reg) gs, options(nostack, preserves_flags)) };
}
