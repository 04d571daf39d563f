//! The image that the program takes for the kernel's vDSO, vdso(7): an ELF file of less than a page, written in assembly.
//!
//! What it exports has the names, the version and the meaning of the kernel's. A clock is read in four steps:
//!
//! 1. *again*: the address of this node's [`Area`](super::area::Area) is loaded; the area says which clocks are read here.
//! 2. *claim*: a slot of the area becomes this thread's, by a compare-and-exchange of the stack pointer into it. One that is taken is not
//!    waited for: the system call answers.
//! 3. The registers that are needed again go into the slot, the stack pointer into the slot's stack, and the node's own kernel vDSO
//!    is called. So it never touches the program's memory. Its time becomes home's: plus offset, and not before the floor.
//! 4. *leave*: stack pointer back, slot given up. Only then is the answer stored in the program's memory, as by any other instruction.
//!
//! From *again* to the end of *leave* the thread holds things of this node: [`rewind`](super::rewind) says what a trap there does.
//!
//! # Safety
//!
//! Nothing here runs where it is linked: the bytes are copied to a page of their own. They refer to each other relative to the instruction
//! pointer, and to the area by the pointer that is patched in. Registers are used as the C calling convention allows.

use std::arch::global_asm;
use std::mem::offset_of;

use super::area::{Area, CLOCKS, Clock, GETCPU_BIT, SLOT_BYTES, Slot};

global_asm!(
    include_str!("image.s"),
    include_str!("code.s"),
    serves = const offset_of!(Area, serves),
    gettime = const offset_of!(Area, gettime),
    getcpu = const offset_of!(Area, getcpu),
    offset = const offset_of!(Area, clocks) + offset_of!(Clock, offset),
    floor = const offset_of!(Area, clocks) + offset_of!(Clock, floor),
    step_max = const offset_of!(Area, clocks) + offset_of!(Clock, step_max),
    clock_shift = const size_of::<Clock>().ilog2(),
    clocks_served = const CLOCKS,
    getcpu_bit = const GETCPU_BIT,
    slots = const offset_of!(Area, slots),
    slot_shift = const SLOT_BYTES.ilog2(),
    slot_bytes = const SLOT_BYTES,
    owner = const offset_of!(Slot, owner),
    again = const offset_of!(Slot, again),
    answer = const offset_of!(Slot, answer),
    rdi = const offset_of!(Slot, rdi),
    rsi = const offset_of!(Slot, rsi),
    r8 = const offset_of!(Slot, r8),
    r9 = const offset_of!(Slot, r9),
    rbx = const offset_of!(Slot, rbx),
    rbp = const offset_of!(Slot, rbp),
    r12 = const offset_of!(Slot, r12),
    r13 = const offset_of!(Slot, r13),
    r14 = const offset_of!(Slot, r14),
    r15 = const offset_of!(Slot, r15),
    realtime_coarse = const libc::CLOCK_REALTIME_COARSE,
    call_gettime = const libc::SYS_clock_gettime,
    call_timeofday = const libc::SYS_gettimeofday,
    call_time = const libc::SYS_time,
    call_getres = const libc::SYS_clock_getres,
    call_getcpu = const libc::SYS_getcpu,
);

unsafe extern "C" {
    static eos_rdma_clock_image: u8;
    static eos_rdma_clock_image_end: u8;
    static eos_rdma_clock_marks: Marks;
}

/// Places in the image that the runtime has to know, in bytes from its start.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Marks {
    /// The pointer to the area.
    pub area: u64,
    /// Reading a clock, and finding the processor: *again*, *claim*, and where the stack pointer lies in the slot.
    pub claims: [[u64; 3]; 2],
    /// From where the stack pointer is the program's again to where the slot is given up.
    pub leaves: [[u64; 2]; 4],
}

/// See [`Marks`].
pub(super) fn marks() -> &'static Marks {
    // SAFETY: laid out above, in the order of the structure.
    unsafe { &eos_rdma_clock_marks }
}

/// The image, as it is linked.
pub(super) fn bytes() -> &'static [u8] {
    let (start, end) = (&raw const eos_rdma_clock_image, &raw const eos_rdma_clock_image_end);
    // SAFETY: the two labels bound one object that nobody writes to.
    unsafe { std::slice::from_raw_parts(start, end.addr() - start.addr()) }
}
