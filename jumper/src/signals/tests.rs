//! Frames in a stand-in for app memory: what is pushed can be popped, and what the app spoils is refused.

use std::mem::offset_of;

use libc::{REG_CSGSFS, REG_EFL, REG_RAX, REG_RDI, REG_RIP, REG_RSI, REG_RSP};
use proptest::prelude::*;
use zerocopy::FromBytes;

use super::layout::{RtFrame, UContext};
use super::*;
use crate::gateway::guest::{Fault, GuestMemory};

const MEM_START: u64 = 0x2000_0000;
const MEM_LEN: usize = 0x20000;
/// Odd on purpose: an interrupted function may have any stack pointer.
const SP: u64 = MEM_START + 0x18008;
const XSTATE_LEN: usize = 832;
const FP_LEN: usize = XSTATE_LEN + 4;
const CSGSFS: i64 = 0x002b_0000_0000_0033;

/// App memory in a vector.
pub(super) struct VecMemory {
    pub start: u64,
    pub bytes: Vec<u8>,
}

/// The one place that makes a fault here.
pub(super) fn fault() -> Fault {
    Fault { addr: 0 }
}

impl VecMemory {
    fn range(&self, addr: u64, len: usize) -> Result<std::ops::Range<usize>, Fault> {
        let from = addr.checked_sub(self.start).ok_or_else(fault)? as usize;
        let end = from.checked_add(len).filter(|&end| end <= self.bytes.len()).ok_or_else(fault)?;
        Ok(from..end)
    }
}

impl GuestMemory for VecMemory {
    fn read(&mut self, addr: u64, into: &mut [u8]) -> Result<(), Fault> {
        into.copy_from_slice(&self.bytes[self.range(addr, into.len())?]);
        Ok(())
    }

    fn write(&mut self, addr: u64, bytes: &[u8]) -> Result<(), Fault> {
        let range = self.range(addr, bytes.len())?;
        self.bytes[range].copy_from_slice(bytes);
        Ok(())
    }
}

fn memory() -> VecMemory {
    VecMemory { start: MEM_START, bytes: vec![0xaa; MEM_LEN] }
}

fn context(sp: u64) -> libc::ucontext_t {
    // SAFETY: a structure of integers and pointers, for which zero is a value.
    let mut ctx: libc::ucontext_t = unsafe { std::mem::zeroed() };
    for (i, reg) in ctx.uc_mcontext.gregs.iter_mut().enumerate() {
        *reg = 0x1111_0000 + i as i64;
    }
    ctx.uc_mcontext.gregs[REG_RSP as usize] = sp as i64;
    ctx.uc_mcontext.gregs[REG_EFL as usize] = 0x10746; // RF OF.. DF IF TF ZF PF
    ctx.uc_mcontext.gregs[REG_CSGSFS as usize] = CSGSFS;
    ctx
}

/// Extended state with x87, SSE and AVX in use.
fn fp_bytes() -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..FP_LEN).map(|i| (i * 7) as u8).collect();
    let mut put = |at: usize, what: &[u8]| bytes[at..at + what.len()].copy_from_slice(what);
    put(24, &0x1fa0u32.to_le_bytes());
    put(28, &0xffffu32.to_le_bytes());
    put(464, &0x4650_5853u32.to_le_bytes());
    put(468, &(FP_LEN as u32).to_le_bytes());
    put(472, &7u64.to_le_bytes());
    put(480, &(XSTATE_LEN as u32).to_le_bytes());
    put(512, &7u64.to_le_bytes());
    put(520, &[0; 56]);
    put(XSTATE_LEN, &0x4650_5845u32.to_le_bytes());
    bytes
}

fn info(signo: i32) -> libc::siginfo_t {
    // SAFETY: a structure of integers.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    info.si_signo = signo;
    info.si_code = 2;
    info
}

fn action(flags: i32) -> KernelSigaction {
    let flags = u64::from(flags as u32) | actions::SA_RESTORER;
    KernelSigaction { handler: 0x40_1000, flags, restorer: 0x40_2000, mask: 1 << 20 }
}

const ALT: AltStack = AltStack { sp: MEM_START + 0x1000, flags: 0, hole: 0, size: 0x2000 };

/// A thread that is about to get a signal.
struct World {
    ctx: libc::ucontext_t,
    fp: Vec<u8>,
    thread: ThreadSignals,
    mem: VecMemory,
}

impl World {
    fn new() -> World {
        World { ctx: context(SP), fp: fp_bytes(), thread: ThreadSignals::new(0x5), mem: memory() }
    }

    fn push(&mut self, action: &KernelSigaction) -> Result<(), BadFrame> {
        let mut fp = FpState::new(&mut self.fp).unwrap();
        push_frame(&mut self.ctx, &mut fp, &info(libc::SIGSEGV), action, &mut self.thread, &mut self.mem)
    }

    /// As the handler's return and its restorer's system call leave the stack pointer.
    fn pop(&mut self) -> Result<(), BadFrame> {
        self.ctx.uc_mcontext.gregs[REG_RSP as usize] += 8;
        let mut fp = FpState::new(&mut self.fp).unwrap();
        pop_frame(&mut self.ctx, &mut fp, &mut self.thread, &mut self.mem)
    }

    fn reg(&self, reg: i32) -> u64 {
        self.ctx.uc_mcontext.gregs[reg as usize] as u64
    }

    fn frame(&self) -> RtFrame {
        let at = (self.reg(REG_RSP) - MEM_START) as usize;
        RtFrame::read_from_bytes(&self.mem.bytes[at..at + size_of::<RtFrame>()]).unwrap()
    }

    fn spoil(&mut self, at: u64, bytes: &[u8]) {
        self.mem.write(at, bytes).unwrap();
    }

    fn uc_addr(&self, offset: usize) -> u64 {
        self.reg(REG_RSP) + (offset_of!(RtFrame, uc) + offset) as u64
    }
}

#[test]
fn a_handler_is_entered_as_the_abi_says() {
    let mut w = World::new();
    w.push(&action(libc::SA_SIGINFO)).unwrap();
    let (sp, frame) = (w.reg(REG_RSP), w.frame());
    assert_eq!((sp + 8) % 16, 0);
    assert_eq!((w.reg(REG_RIP), w.reg(REG_RDI), w.reg(REG_RAX)), (0x40_1000, 11, 0));
    assert_eq!(w.reg(REG_RSI), sp + offset_of!(RtFrame, info) as u64);
    assert_eq!(w.reg(REG_EFL), 0x246, "direction, trap and resume flags are clear");
    assert_eq!((frame.restorer, frame.uc.flags, frame.uc.mask), (0x40_2000, 7, 5));
    assert_eq!(frame.info[0], 11);
    assert_eq!(frame.uc.fpstate % 64, 0);
    assert!(frame.uc.fpstate + FP_LEN as u64 <= SP - 128, "the red zone is untouched");
    assert_eq!(w.thread.mask, 5 | 1 << 20 | 1 << 10);
    assert_eq!(u32::from_le_bytes(w.fp[24..28].try_into().unwrap()), 0x1f80);
    assert_eq!(w.fp[512], 0, "all vector state starts afresh");
    let above = (SP - 128 - MEM_START) as usize;
    assert!(w.mem.bytes[above..].iter().all(|&b| b == 0xaa));
}

#[test]
fn what_is_pushed_is_popped() {
    let (before, mut w) = (World::new(), World::new());
    w.thread.altstack = ALT;
    w.push(&action(0)).unwrap();
    w.fp[600..700].fill(9);
    w.ctx.uc_mcontext.gregs[0] = 77;
    w.pop().unwrap();
    assert_eq!(w.ctx.uc_mcontext.gregs, before.ctx.uc_mcontext.gregs);
    assert_eq!(w.fp, before.fp);
    assert_eq!(w.thread, ThreadSignals { altstack: ALT, ..before.thread });
}

#[test]
fn nested_handlers_return_in_turn() {
    let (before, mut w) = (World::new(), World::new());
    for _ in 0..5 {
        w.push(&action(libc::SA_SIGINFO | libc::SA_NODEFER)).unwrap();
    }
    for _ in 0..5 {
        w.pop().unwrap();
    }
    assert_eq!(w.ctx.uc_mcontext.gregs, before.ctx.uc_mcontext.gregs);
    assert_eq!((w.fp, w.thread.mask), (before.fp, before.thread.mask));
}

#[test]
fn the_mask_follows_nodefer_and_a_waiting_call() {
    let mut w = World::new();
    w.thread.saved_mask = Some(0x9);
    w.push(&KernelSigaction { mask: 0, ..action(libc::SA_NODEFER) }).unwrap();
    assert_eq!((w.thread.mask, w.thread.saved_mask), (5, None));
    w.pop().unwrap();
    assert_eq!(w.thread.mask, 9);
}

#[test]
fn the_alternate_stack_is_entered_once() {
    let mut w = World::new();
    w.thread.altstack = ALT;
    let flags = libc::SA_ONSTACK;
    w.push(&action(flags)).unwrap();
    let first = w.reg(REG_RSP);
    assert!(first > ALT.sp && w.frame().uc.fpstate + FP_LEN as u64 <= ALT.sp + ALT.size);
    let mut depth = 1;
    while w.push(&action(flags)).is_ok() {
        depth += 1;
        assert!(w.reg(REG_RSP) <= first - 128 - 440, "a nested handler goes below the first");
        assert!(w.reg(REG_RSP) > ALT.sp, "and never beyond the stack");
    }
    assert_eq!(depth, 5, "8 KiB hold so many frames");
    for _ in 0..depth {
        w.pop().unwrap();
    }
    assert_eq!(w.reg(REG_RSP), SP);
    assert_eq!(w.thread.altstack, ALT);
}

#[test]
fn an_auto_disarmed_stack_comes_back_with_the_return() {
    let mut w = World::new();
    let auto = AltStack { flags: 1 << 31, ..ALT };
    w.thread.altstack = auto;
    w.push(&action(libc::SA_ONSTACK)).unwrap();
    assert_eq!(w.thread.altstack, AltStack::DISABLED);
    w.pop().unwrap();
    assert_eq!(w.thread.altstack, auto);
}

#[test]
fn a_stack_that_cannot_be_written_changes_nothing() {
    for (sp, flags) in [(MEM_START + 0x200, 0), (0, 0), (64, 0), (u64::MAX - 7, 0), (SP, actions::SA_RESTORER)] {
        let mut w = World::new();
        w.ctx = context(sp);
        let action = KernelSigaction { flags: action(0).flags & !flags, ..action(0) };
        assert_eq!(w.push(&action), Err(BadFrame));
        assert_eq!(w.ctx.uc_mcontext.gregs, context(sp).uc_mcontext.gregs);
        assert_eq!((w.fp, w.thread), (fp_bytes(), ThreadSignals::new(5)));
    }
}

#[test]
fn flags_a_program_may_not_set_are_kept() {
    let mut w = World::new();
    w.push(&action(0)).unwrap();
    let flags = w.uc_addr(offset_of!(UContext, regs) + 8 * REG_EFL as usize);
    w.spoil(flags, &u64::MAX.to_le_bytes());
    w.pop().unwrap();
    assert_eq!(w.reg(REG_EFL), 0x246 | 0x5_0dd5, "not IOPL, NT, VM, ID");
}

#[test]
fn foreign_segments_are_refused_but_a_bad_stack_segment_is_mended_when_asked() {
    let at = offset_of!(UContext, regs) + 8 * REG_CSGSFS as usize;
    for (word, flags, taken) in [
        (0x002b_0000_0000_0023u64, 7u64, false), // 32-bit code
        (0x0000_0000_0000_0033, 7, false),
        (0x0000_0000_0000_0033, 3, true),
        (0x0028_1234_5678_0030, 7, true), // the privilege bits are put in
    ] {
        let mut w = World::new();
        w.push(&action(0)).unwrap();
        w.spoil(w.uc_addr(at), &word.to_le_bytes());
        w.spoil(w.uc_addr(0), &flags.to_le_bytes());
        assert_eq!(w.pop().is_ok(), taken, "{word:#x} {flags}");
        assert!(!taken || w.reg(REG_CSGSFS) == CSGSFS as u64);
    }
}

#[test]
fn without_magic_numbers_only_the_legacy_state_is_restored() {
    for magic_at in [464, XSTATE_LEN as u64] {
        let mut w = World::new();
        w.push(&action(0)).unwrap();
        w.spoil(w.frame().uc.fpstate + magic_at, &[0; 4]);
        w.pop().unwrap();
        assert_eq!(w.fp[..512], fp_bytes()[..512]);
        assert_eq!(w.fp[512..520], [3, 0, 0, 0, 0, 0, 0, 0], "the rest starts afresh");
    }
}

#[test]
fn a_frame_without_state_gives_a_fresh_one() {
    let mut w = World::new();
    w.push(&action(0)).unwrap();
    w.spoil(w.uc_addr(offset_of!(UContext, fpstate)), &[0; 8]);
    w.pop().unwrap();
    assert_eq!((w.fp[24..28].to_vec(), w.fp[512]), (0x1f80u32.to_le_bytes().to_vec(), 0));
}

#[test]
fn state_that_the_processor_would_refuse_is_refused() {
    for (at, bytes) in [(24, &[0xff; 4][..]), (513, &[1]), (520, &[1]), (528, &[1])] {
        let mut w = World::new();
        w.push(&action(0)).unwrap();
        let regs = w.ctx.uc_mcontext.gregs;
        w.spoil(w.frame().uc.fpstate + at, bytes);
        assert_eq!(w.pop(), Err(BadFrame), "{at}");
        assert_eq!(w.reg(REG_RIP), regs[REG_RIP as usize] as u64);
    }
}

#[test]
fn legacy_state_alone_goes_there_and_back() {
    let mut w = World::new();
    w.fp[464] = 0;
    let before = w.fp[..512].to_vec();
    w.push(&action(0)).unwrap();
    assert_eq!(w.frame().uc.flags, 6);
    w.pop().unwrap();
    assert_eq!(w.fp[..512], before);
}

proptest! {
    #[test]
    fn any_registers_survive_a_handler(regs in prop::array::uniform17(any::<i64>()), flags in any::<i32>(), mask in any::<u64>()) {
        let mut w = World::new();
        w.ctx.uc_mcontext.gregs[..17].copy_from_slice(&regs);
        w.ctx.uc_mcontext.gregs[REG_RSP as usize] = (SP - (regs[0] as u64 & 0xff)) as i64;
        w.thread = ThreadSignals::new(mask);
        let before = (w.ctx.uc_mcontext.gregs, w.fp.clone(), w.thread);
        w.push(&action(flags)).unwrap();
        w.pop().unwrap();
        prop_assert_eq!((w.ctx.uc_mcontext.gregs, w.fp, w.thread), before);
    }

    #[test]
    fn a_spoiled_frame_is_taken_or_refused_but_never_panics(
        changes in prop::collection::vec((0u64..440 + 64 + FP_LEN as u64, any::<u64>()), 1..8),
        sp in prop::option::of(any::<i64>()),
    ) {
        let mut w = World::new();
        w.push(&action(libc::SA_SIGINFO)).unwrap();
        for (at, value) in changes {
            w.spoil(w.reg(REG_RSP) + at, &value.to_le_bytes());
        }
        if let Some(sp) = sp {
            w.ctx.uc_mcontext.gregs[REG_RSP as usize] = sp.saturating_sub(8);
        }
        let _ = w.pop();
        prop_assert_eq!(&w.fp[464..512], &fp_bytes()[464..512], "the description of our own frame stays");
    }
}
