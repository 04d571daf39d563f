//! Building and reading back the frame of a handler (arch/x86/kernel/signal_64.c), in app memory, in user mode.

use std::mem::{offset_of, size_of};

use libc::{REG_CSGSFS, REG_EFL, REG_RAX, REG_RDI, REG_RDX, REG_RIP, REG_RSI, REG_RSP};
use zerocopy::{FromZeros, IntoBytes};

use crate::gateway::guest::{Fault, GuestMemory};

use super::actions::{SA_RESTORER, UNBLOCKABLE};
use super::layout::{RtFrame, UC_FP_XSTATE, UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS, UContext};
use super::{FpState, KernelSigaction, ThreadSignals, signal_bit};

/// Bytes below the stack pointer that belong to the interrupted function (System V ABI for x86-64, 3.2.2).
const RED_ZONE: u64 = 128;
const FP_ALIGN: u64 = 64;
const FRAME_ALIGN: u64 = 16;

const USER_CS: u64 = 0x33;
const USER_SS: u64 = 0x2b;
const TF: i64 = 1 << 8;
const DF: i64 = 1 << 10;
const RF: i64 = 1 << 16;
/// Flags that a program may set through its frame: AC OF DF TF SF ZF AF PF CF RF.
const FLAGS_SETTABLE: i64 = 1 << 18 | 1 << 11 | DF | TF | 1 << 7 | 1 << 6 | 1 << 4 | 1 << 2 | 1 | RF;

/// Registers that rt_sigreturn restores as they are: general ones, stack pointer and instruction pointer.
const PLAIN_REGS: std::ops::RangeInclusive<usize> = 0..=REG_RIP as usize;

/// The frame cannot be written, or is not one that rt_sigreturn takes: the app gets a forced SIGSEGV, as natively.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signal frame on the program's stack cannot be written or read back; the program gets SIGSEGV")]
pub struct BadFrame;

impl From<Fault> for BadFrame {
    fn from(_: Fault) -> Self {
        BadFrame
    }
}

/// Diverts the app to `action`'s handler: writes the frame that the kernel would write below the app's stack pointer (or
/// on its alternate stack), and edits `ctx` and `fp`, the runtime's own context, so that returning from the runtime's
/// handler enters the app's. Also does what delivery does to the thread: its mask, and `SS_AUTODISARM`.
///
/// Call it from the runtime's handler, with the interrupted RIP in the app half. The signal is `info.si_signo`; `action`
/// comes from [`super::Actions::take`] or [`super::Actions::take_forced`], which also did `SA_RESETHAND`. The mask in `ctx`
/// is the runtime's and is left alone.
///
/// # Errors
/// [`BadFrame`]; `ctx`, `fp` and `thread` are unchanged then. A SIGSEGV whose frame fails has no handler any more.
pub fn push_frame(
    ctx: &mut libc::ucontext_t,
    fp: &mut FpState<'_>,
    info: &libc::siginfo_t,
    action: &KernelSigaction,
    thread: &mut ThreadSignals,
    mem: &mut dyn GuestMemory,
) -> Result<(), BadFrame> {
    if action.flags & SA_RESTORER == 0 {
        return Err(BadFrame);
    }
    let regs = &mut ctx.uc_mcontext.gregs;
    let (fp_at, frame_at) = room(regs[REG_RSP as usize] as u64, fp.bytes().len() as u64, action, thread)?;
    let frame = RtFrame {
        restorer: action.restorer,
        uc: saved_context(regs, fp.is_extended(), fp_at, thread),
        info: *info_bytes(info),
    };
    // As natively, the information is there only for those who asked for it.
    let written = if action.has(libc::SA_SIGINFO) { size_of::<RtFrame>() } else { offset_of!(RtFrame, info) };
    mem.write(fp_at, fp.bytes())?;
    mem.write(frame_at, &frame.as_bytes()[..written])?;

    enter_handler(regs, action.handler, info.si_signo, frame_at);
    fp.reset();
    thread.altstack.disarm_if_asked();
    thread.saved_mask = None;
    let own = if action.has(libc::SA_NODEFER) { 0 } else { signal_bit(info.si_signo) };
    thread.mask = (thread.mask | action.mask | own) & !UNBLOCKABLE;
    Ok(())
}

/// What rt_sigreturn(2) does, for an app whose registers are in `ctx`: puts the frame at its stack pointer back into `ctx`,
/// `fp`, the mask and the alternate stack. RAX is restored too: the system call has no result of its own.
///
/// Flags are limited to those that a program may set. Segments: only the 64-bit code segment and the ordinary stack segment
/// are taken, where Linux would also take 32-bit code.
///
/// # Errors
/// [`BadFrame`]; `ctx` and `fp` are unchanged then, the mask may be the frame's already, as natively.
pub fn pop_frame(
    ctx: &mut libc::ucontext_t,
    fp: &mut FpState<'_>,
    thread: &mut ThreadSignals,
    mem: &mut dyn GuestMemory,
) -> Result<(), BadFrame> {
    let regs = &mut ctx.uc_mcontext.gregs;
    // The handler's return took the restorer's address off the stack.
    let uc_at = (regs[REG_RSP as usize] as u64).wrapping_sub(8).wrapping_add(offset_of!(RtFrame, uc) as u64);
    let mut uc = UContext::new_zeroed();
    mem.read(uc_at, uc.as_mut_bytes())?;
    thread.mask = uc.mask & !UNBLOCKABLE;
    let segments = checked_segments(&uc, regs[REG_CSGSFS as usize] as u64)?;
    fp.load(uc.fpstate, mem)?;

    regs[PLAIN_REGS].copy_from_slice(&uc.regs[PLAIN_REGS]);
    regs[REG_CSGSFS as usize] = segments as i64;
    let flags = &mut regs[REG_EFL as usize];
    *flags = (*flags & !FLAGS_SETTABLE) | (uc.regs[REG_EFL as usize] & FLAGS_SETTABLE);
    // Linux, too, passes over an alternate stack that it does not like.
    let _ = thread.altstack.set(uc.stack, regs[REG_RSP as usize] as u64);
    Ok(())
}

/// Addresses of the floating-point state and of the frame.
fn room(sp: u64, fp_len: u64, action: &KernelSigaction, thread: &ThreadSignals) -> Result<(u64, u64), BadFrame> {
    let alt = &thread.altstack;
    let below = sp.wrapping_sub(RED_ZONE);
    let entering = action.has(libc::SA_ONSTACK) && alt.state_at(below) == 0;
    let from = if entering { alt.top() } else { below };
    let fp_at = from.wrapping_sub(fp_len) & !(FP_ALIGN - 1);
    // Aligned as after a call: 8 below a multiple of 16.
    let frame_at = (fp_at.wrapping_sub(size_of::<RtFrame>() as u64) & !(FRAME_ALIGN - 1)).wrapping_sub(8);
    if (entering || alt.in_use_at(sp)) && !alt.holds(frame_at) {
        return Err(BadFrame);
    }
    Ok((fp_at, frame_at))
}

fn saved_context(regs: &[i64; 23], extended: bool, fp_at: u64, thread: &ThreadSignals) -> UContext {
    let mask = thread.saved_mask.unwrap_or(thread.mask);
    let mut regs = *regs;
    regs[libc::REG_OLDMASK as usize] = mask as i64;
    let xstate = if extended { UC_FP_XSTATE } else { 0 };
    UContext {
        flags: xstate | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS,
        link: 0,
        stack: thread.altstack,
        regs,
        fpstate: fp_at,
        reserved: [0; 8],
        mask,
    }
}

fn enter_handler(regs: &mut [i64; 23], handler: u64, signo: i32, frame_at: u64) {
    let frame_addr = |offset: usize| frame_at.wrapping_add(offset as u64) as i64;
    regs[REG_RIP as usize] = handler as i64;
    regs[REG_RSP as usize] = frame_at as i64;
    regs[REG_RDI as usize] = i64::from(signo);
    regs[REG_RSI as usize] = frame_addr(offset_of!(RtFrame, info));
    regs[REG_RDX as usize] = frame_addr(offset_of!(RtFrame, uc));
    regs[REG_RAX as usize] = 0;
    regs[REG_EFL as usize] &= !(DF | TF | RF);
    let other = regs[REG_CSGSFS as usize] as u64 & 0x0000_ffff_ffff_0000;
    regs[REG_CSGSFS as usize] = (USER_SS << 48 | other | USER_CS) as i64;
}

/// CS, GS, FS and SS as one word: those of the frame where they count, else `current`.
fn checked_segments(uc: &UContext, current: u64) -> Result<u64, BadFrame> {
    let word = uc.regs[REG_CSGSFS as usize] as u64;
    let (cs, ss) = (word & 0xffff | 3, word >> 48 | 3);
    let strict = uc.flags & UC_STRICT_RESTORE_SS != 0;
    if cs != USER_CS || (strict && ss != USER_SS) {
        return Err(BadFrame);
    }
    Ok(USER_SS << 48 | current & 0x0000_ffff_ffff_0000 | USER_CS)
}

fn info_bytes(info: &libc::siginfo_t) -> &[u8; 128] {
    // SAFETY: 128 bytes (checked in layout.rs) of plain integers without padding.
    unsafe { &*std::ptr::from_ref(info).cast::<[u8; 128]>() }
}
