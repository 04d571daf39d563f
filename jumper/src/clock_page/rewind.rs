//! A trap inside the clock page.
//!
//! Invariant: *the program, and another node, never see a thread that holds things of this node.* From loading the area's address
//! to giving its slot up, a thread in the page does: pointers in registers, its stack pointer in the slot, its instruction pointer in the
//! kernel's vDSO. Nothing that it does there can fault, so only signals find it there. Before anything else is made of the
//! trap, the thread is put back to *again*, with the registers that it had then. Nothing of what it has done shows: it has stored only to
//! its slot, which is given up. So a handler may look at the frame, leave it for good by siglongjmp, or send execution to another
//! node; a thread that comes back reads the clock then.
//!
//! It does not matter whether `rip` is a slot's or the kernel's: the stack pointer tells, and outside the slots the marks of the image do.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::area::{AREA, Slot};
use super::image::{Marks, marks};
use super::{IMAGE, IMAGE_END};
use crate::traps::context::Frame;

/// Puts the thread whose frame this is back, if it is inside. To be called first in every trap, by the thread itself.
pub fn rewind(frame: &mut Frame<'_>) {
    let (rip, rsp) = (frame.rip(), frame.rsp());
    if let Some(slot) = AREA.slot_of_stack(rsp) {
        restore(frame, slot);
    } else if (IMAGE..IMAGE_END).contains(&rip) {
        at_the_edge(frame, rip - IMAGE, marks());
    }
}

/// On its own stack, `at` bytes into the image.
fn at_the_edge(frame: &mut Frame<'_>, at: u64, marks: &Marks) {
    let slot = || AREA.slot_at(frame.get(libc::REG_R11)).filter(|slot| slot.owner.load(Relaxed) == frame.rsp());
    if let Some([again, claim, _]) = marks.claims.iter().find(|[again, _, claimed]| (*again..*claimed).contains(&at)) {
        // The slot may be another thread's: then this one was about to go without.
        if at > *claim
            && let Some(slot) = slot()
        {
            slot.owner.store(0, Relaxed);
        }
        frame.set(libc::REG_RIP, IMAGE + again);
    } else if marks.leaves.iter().any(|[leave, left]| (*leave..*left).contains(&at))
        && let Some(slot) = slot()
    {
        restore(frame, slot);
    }
}

/// As the thread was when it claimed the slot, which is free now.
fn restore(frame: &mut Frame<'_>, slot: &Slot) {
    let registers: [(i32, &AtomicU64); 12] = [
        (libc::REG_RSP, &slot.owner),
        (libc::REG_RIP, &slot.again),
        (libc::REG_RDI, &slot.rdi),
        (libc::REG_RSI, &slot.rsi),
        (libc::REG_R8, &slot.r8),
        (libc::REG_R9, &slot.r9),
        (libc::REG_RBX, &slot.rbx),
        (libc::REG_RBP, &slot.rbp),
        (libc::REG_R12, &slot.r12),
        (libc::REG_R13, &slot.r13),
        (libc::REG_R14, &slot.r14),
        (libc::REG_R15, &slot.r15),
    ];
    registers.iter().for_each(|(register, value)| frame.set(*register, value.load(Relaxed)));
    slot.owner.store(0, Relaxed);
}
