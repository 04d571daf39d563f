//! The frame that Linux puts on the stack of an x86-64 program for a handler: `struct rt_sigframe` of
//! arch/x86/include/asm/sigframe.h. Sizes and offsets are checked against the libc crate at compile time.

use std::mem::offset_of;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::AltStack;

/// `uc_flags`: `fpstate` has the extended format, `ss` is saved, and it is to be restored as it is.
pub(super) const UC_FP_XSTATE: u64 = 1;
pub(super) const UC_SIGCONTEXT_SS: u64 = 2;
pub(super) const UC_STRICT_RESTORE_SS: u64 = 4;

#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub(super) struct RtFrame {
    /// Return address of the handler: the action's restorer.
    pub restorer: u64,
    pub uc: UContext,
    pub info: [u8; 128],
}

/// `struct ucontext` of the kernel. The C library's `ucontext_t` goes on where this one ends.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub(super) struct UContext {
    pub flags: u64,
    pub link: u64,
    pub stack: AltStack,
    pub regs: [i64; 23],
    /// Address of the floating-point state, 64-byte aligned; 0: none.
    pub fpstate: u64,
    pub reserved: [u64; 8],
    pub mask: u64,
}

const _: () = {
    assert!(size_of::<RtFrame>() == 440);
    assert!(offset_of!(UContext, flags) == offset_of!(libc::ucontext_t, uc_flags));
    assert!(offset_of!(UContext, link) == offset_of!(libc::ucontext_t, uc_link));
    assert!(offset_of!(UContext, stack) == offset_of!(libc::ucontext_t, uc_stack));
    assert!(size_of::<AltStack>() == size_of::<libc::stack_t>());
    assert!(offset_of!(AltStack, flags) == offset_of!(libc::stack_t, ss_flags));
    assert!(offset_of!(AltStack, size) == offset_of!(libc::stack_t, ss_size));
    let mcontext = offset_of!(libc::ucontext_t, uc_mcontext);
    assert!(offset_of!(UContext, regs) == mcontext + offset_of!(libc::mcontext_t, gregs));
    assert!(offset_of!(UContext, fpstate) == mcontext + offset_of!(libc::mcontext_t, fpregs));
    assert!(offset_of!(UContext, mask) == offset_of!(libc::ucontext_t, uc_sigmask));
    assert!(size_of::<libc::siginfo_t>() == 128);
};
