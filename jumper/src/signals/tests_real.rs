//! The kernel as the judge: it builds a frame and ours must equal it byte for byte; it returns through a frame of ours;
//! and it returns to where ours, read back, says.
//!
//! # Safety
//! Every signal here is raised by the thread that gets it, inside a system call, so the handlers interrupt nothing and may
//! use all of std. Pointers come from the kernel's handler arguments and are used while that handler runs.

use std::arch::{asm, global_asm};
use std::cell::{Cell, RefCell};
use std::mem::offset_of;

use libc::{REG_CSGSFS, REG_RDI, REG_RDX, REG_RIP, REG_RSI, REG_RSP};

use super::layout::{RtFrame, UContext};
use super::tests::VecMemory;
use super::*;
use crate::gateway::guest::{Fault, GuestMemory};

type Context = libc::ucontext_t;

global_asm!(
    ".globl eos_test_sigreturn",
    "eos_test_sigreturn:",
    "mov eax, 15",
    "syscall",
    ".globl eos_test_trap",
    "eos_test_trap:",
    "ud2",
);

unsafe extern "C" {
    fn eos_test_sigreturn();
    fn eos_test_trap();
}

fn install(signo: i32, handler: usize, flags: i32) {
    // SAFETY: a structure of integers, then a valid handler for a signal that only these tests use.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = flags | libc::SA_SIGINFO;
        assert_eq!(libc::sigaction(signo, &action, std::ptr::null_mut()), 0);
    }
}

/// An alternate stack for the calling thread, which gets its old one back in the end.
struct OnAltStack {
    old: libc::stack_t,
    bytes: Box<[u8]>,
}

impl OnAltStack {
    fn new() -> Self {
        let mut bytes = vec![0u8; 256 << 10].into_boxed_slice();
        let new = libc::stack_t { ss_sp: bytes.as_mut_ptr().cast(), ss_flags: 0, ss_size: bytes.len() };
        // SAFETY: the new stack lives until `drop` puts the old one back.
        let old = unsafe {
            let mut old: libc::stack_t = std::mem::zeroed();
            assert_eq!(libc::sigaltstack(&new, &mut old), 0);
            old
        };
        OnAltStack { old, bytes }
    }

    fn as_kept(&self) -> AltStack {
        AltStack { sp: self.bytes.as_ptr() as u64, flags: 0, hole: 0, size: self.bytes.len() as u64 }
    }
}

impl Drop for OnAltStack {
    fn drop(&mut self) {
        // SAFETY: the stack that the thread had before.
        unsafe { libc::sigaltstack(&self.old, std::ptr::null_mut()) };
    }
}

/// The first 8 bytes are the kernel's whole mask.
fn mask_of(ctx: &Context) -> u64 {
    // SAFETY: the mask is at least 8 bytes of integers.
    unsafe { std::ptr::from_ref(&ctx.uc_sigmask).cast::<u64>().read() }
}

#[derive(Default)]
struct Seen {
    kernel: Vec<u8>,
    ours: Vec<u8>,
    handler_regs: Vec<(i64, u64)>,
    fp_at: (u64, u64),
}

thread_local! {
    static SEEN: RefCell<Seen> = RefCell::default();
    static ALTSTACK: RefCell<Option<AltStack>> = const { RefCell::new(None) };
    static THREAD: RefCell<Option<ThreadSignals>> = const { RefCell::new(None) };
    /// Which way the app's handler returns: through the kernel, or through [`pop_frame`].
    static RESTORER: Cell<u64> = const { Cell::new(0) };
    static APP: RefCell<Option<AppSaw>> = const { RefCell::new(None) };
}

/// Builds, beside the frame it runs in, the same frame with our own means.
extern "C" fn compare(signo: i32, info: *mut libc::siginfo_t, uc: *mut Context) {
    // SAFETY: see the top of this file; the C library's context is longer than the kernel's, but the floating-point
    // state lies behind it, so that all of it can be read.
    let (mut ctx, info, fp_bytes) = unsafe {
        let fp = FpState::of(&*uc).unwrap();
        (uc.read(), &*info, fp.bytes().to_vec())
    };
    let frame_at = uc as u64 - offset_of!(RtFrame, uc) as u64;
    // SAFETY: the kernel's frame, which is there while this handler runs.
    let kernel = unsafe { std::slice::from_raw_parts(frame_at as *const u8, size_of::<RtFrame>()) }.to_vec();
    let restorer = u64::from_le_bytes(kernel[..8].try_into().unwrap());
    let on_alt = ALTSTACK.with_borrow(|a| a.is_some());
    let action = KernelSigaction {
        handler: compare as *const () as u64,
        flags: actions::SA_RESTORER | libc::SA_SIGINFO as u64 | if on_alt { libc::SA_ONSTACK as u64 } else { 0 },
        restorer,
        mask: 0,
    };
    let mut thread = ThreadSignals::new(mask_of(&ctx));
    let kept = &ctx.uc_stack;
    thread.altstack =
        AltStack { sp: kept.ss_sp as u64, flags: kept.ss_flags as u32, hole: 0, size: kept.ss_size as u64 };
    let mut mem = VecMemory { start: frame_at, bytes: vec![0; size_of::<RtFrame>() + fp_bytes.len() + 128] };
    let mut fp_copy = fp_bytes.clone();
    let mut fp = FpState::new(&mut fp_copy).unwrap();
    let kernel_fp_at = ctx.uc_mcontext.fpregs as u64;
    push_frame(&mut ctx, &mut fp, info, &action, &mut thread, &mut mem).unwrap();

    let reg = |r: i32| ctx.uc_mcontext.gregs[r as usize];
    let at = offset_of!(RtFrame, uc) + offset_of!(UContext, fpstate);
    let fp_at = u64::from_le_bytes(mem.bytes[at..at + 8].try_into().unwrap());
    let fp_from = (fp_at - frame_at) as usize;
    assert_eq!(mem.bytes[fp_from..fp_from + fp_bytes.len()], fp_bytes);
    let info_at = std::ptr::from_ref(info) as u64;
    SEEN.set(Seen {
        kernel,
        ours: mem.bytes[..size_of::<RtFrame>()].to_vec(),
        handler_regs: vec![
            (reg(REG_RSP), frame_at),
            (reg(REG_RDI), signo as u64),
            (reg(REG_RSI), info_at),
            (reg(REG_RDX), uc as u64),
            (reg(REG_RIP), action.handler),
        ],
        fp_at: (fp_at, kernel_fp_at),
    });
}

#[test]
fn our_frame_is_the_one_that_linux_builds() {
    let alt = OnAltStack::new();
    for flags in [0, libc::SA_ONSTACK] {
        ALTSTACK.set((flags != 0).then(|| alt.as_kept()));
        install(libc::SIGUSR1, compare as *const () as usize, flags);
        // SAFETY: the handler was just installed.
        unsafe { libc::raise(libc::SIGUSR1) };
        let mut seen = SEEN.take();
        // Linux leaves the reserved words, and the hole in stack_t, as they were on the stack.
        let uc = offset_of!(RtFrame, uc);
        let reserved = uc + offset_of!(UContext, reserved);
        let hole = uc + offset_of!(UContext, stack) + offset_of!(AltStack, hole);
        for frame in [&mut seen.kernel, &mut seen.ours] {
            assert_eq!(frame.len(), 440);
            frame[reserved..reserved + 64].fill(0);
            frame[hole..hole + 4].fill(0);
        }
        assert_eq!(seen.fp_at.0, seen.fp_at.1);
        assert_eq!(seen.ours, seen.kernel, "flags {flags:#x}");
        for (i, (ours, kernel)) in seen.handler_regs.iter().enumerate() {
            assert_eq!(*ours as u64, *kernel, "register {i} at the handler's entry");
        }
    }
}

/// This process's own memory.
struct RealMemory;

impl GuestMemory for RealMemory {
    fn read(&mut self, addr: u64, into: &mut [u8]) -> Result<(), Fault> {
        // SAFETY: frames of this thread, which is what these tests read.
        unsafe { std::ptr::copy_nonoverlapping(addr as *const u8, into.as_mut_ptr(), into.len()) };
        Ok(())
    }

    fn write(&mut self, addr: u64, bytes: &[u8]) -> Result<(), Fault> {
        // SAFETY: free stack of this thread, below its red zone.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), addr as *mut u8, bytes.len()) };
        Ok(())
    }
}

#[derive(Debug, PartialEq)]
struct AppSaw {
    signo: i32,
    info_signo: i32,
    mxcsr: u32,
    xmm7: u64,
    stack_aligned: bool,
    cs_ok: bool,
}

/// The runtime's handler: passes the signal on to `app_handler`.
extern "C" fn divert(_: i32, info: *mut libc::siginfo_t, uc: *mut Context) {
    // SAFETY: see the top of this file.
    let (ctx, info, mut fp) = unsafe { (&mut *uc, &*info, FpState::of(&*uc).unwrap()) };
    let action = KernelSigaction {
        handler: app_handler as *const () as u64,
        flags: actions::SA_RESTORER | libc::SA_SIGINFO as u64,
        restorer: RESTORER.get(),
        mask: 0,
    };
    let mut thread = ThreadSignals::new(mask_of(ctx));
    thread.altstack = ALTSTACK.with_borrow(|a| a.unwrap());
    push_frame(ctx, &mut fp, info, &action, &mut thread, &mut RealMemory).unwrap();
    THREAD.set(Some(thread));
}

/// The runtime's handler for the trap that stands for the app's rt_sigreturn.
extern "C" fn return_trap(_: i32, _: *mut libc::siginfo_t, uc: *mut Context) {
    // SAFETY: see the top of this file.
    let (ctx, mut fp) = unsafe { (&mut *uc, FpState::of(&*uc).unwrap()) };
    assert_eq!(ctx.uc_mcontext.gregs[REG_RIP as usize] as u64, eos_test_trap as *const () as u64);
    let mut thread = THREAD.take().unwrap();
    pop_frame(ctx, &mut fp, &mut thread, &mut RealMemory).unwrap();
    THREAD.set(Some(thread));
}

/// The app's handler: notes what it was given, then spoils the vector registers.
extern "C" fn app_handler(signo: i32, info: *mut libc::siginfo_t, uc: *mut Context) {
    let (mut mxcsr, xmm7, sp): (u32, u64, u64);
    mxcsr = 0;
    // SAFETY: reads registers, writes `mxcsr`, and clears registers that a call may clobber.
    unsafe {
        asm!("movq {x}, xmm7", "stmxcsr [{m}]", "mov {sp}, rsp", "pxor xmm6, xmm6", "pxor xmm8, xmm8",
            x = out(reg) xmm7, m = in(reg) &mut mxcsr, sp = out(reg) sp, out("xmm6") _, out("xmm8") _);
        let saw = AppSaw {
            signo,
            info_signo: (*info).si_signo,
            mxcsr,
            xmm7,
            stack_aligned: sp % 16 == 0,
            cs_ok: (*uc).uc_mcontext.gregs[REG_CSGSFS as usize] as u16 == 0x33,
        };
        APP.set(Some(saw));
    }
}

/// Raises SIGUSR2 with known values in registers, vector registers, MXCSR and the red zone; they must be there afterwards.
#[inline(never)]
fn raise_with_marks() {
    const MARK: u64 = 0x1234_5678_9abc_def0;
    let (mut old_mxcsr, mark_mxcsr, mut new_mxcsr) = (0u32, 0x7f80u32, 0u32);
    let (mut r12, mut r13, mut red) = (MARK ^ 1, MARK ^ 2, MARK ^ 3);
    let (mut low, mut high): (u64, u64) = (MARK ^ 4, MARK ^ 5);
    // SAFETY: tgkill to this thread; everything that is changed is declared, and MXCSR is put back.
    unsafe {
        let (pid, tid) = (libc::getpid(), libc::gettid());
        asm!(
            "stmxcsr [{old}]", "ldmxcsr [{mark}]",
            "mov [rsp - 120], r14", "movq xmm7, r15", "movq xmm8, r9",
            "syscall",
            "mov r14, [rsp - 120]", "movq r15, xmm7", "movq r9, xmm8",
            "stmxcsr [{new}]", "ldmxcsr [{old}]",
            old = in(reg) &mut old_mxcsr, mark = in(reg) &mark_mxcsr, new = in(reg) &mut new_mxcsr,
            in("rax") libc::SYS_tgkill, in("rdi") pid, in("rsi") tid, in("rdx") libc::SIGUSR2,
            inout("r9") high, inout("r12") r12, inout("r13") r13, inout("r14") red, inout("r15") low,
            lateout("rax") _, out("rcx") _, out("r11") _, out("xmm7") _, out("xmm8") _,
        );
    }
    assert_eq!((r12, r13, red, low, high), (MARK ^ 1, MARK ^ 2, MARK ^ 3, MARK ^ 4, MARK ^ 5));
    assert_eq!(new_mxcsr & !0x3f, mark_mxcsr);
}

fn a_program_handles_and_returns(restorer: u64) {
    let alt = OnAltStack::new();
    ALTSTACK.set(Some(alt.as_kept()));
    RESTORER.set(restorer);
    install(libc::SIGUSR2, divert as *const () as usize, libc::SA_ONSTACK);
    install(libc::SIGILL, return_trap as *const () as usize, libc::SA_ONSTACK);
    for _ in 0..3 {
        raise_with_marks();
        let saw = APP.take().unwrap();
        let want = AppSaw {
            signo: libc::SIGUSR2,
            info_signo: libc::SIGUSR2,
            mxcsr: 0x1f80,
            xmm7: 0,
            stack_aligned: true,
            cs_ok: true,
        };
        assert_eq!(saw, want);
    }
}

#[test]
fn linux_returns_through_a_frame_of_ours() {
    a_program_handles_and_returns(eos_test_sigreturn as *const () as u64);
}

#[test]
fn a_frame_of_ours_read_back_returns_to_where_the_program_was() {
    a_program_handles_and_returns(eos_test_trap as *const () as u64);
}
