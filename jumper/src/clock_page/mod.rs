//! The clock page: clock_gettime(2) and its kin without a system call, on the node where the program runs.
//!
//! The program gets an image of ours in place of the kernel's vDSO, one page at [`IMAGE`] that is the same on every node but for
//! one pointer. Its functions call the node's own kernel vDSO and add what the node's clocks lack to home's. So at home they tell what
//! the kernel tells, to the nanosecond.
//!
//! | module | what it holds |
//! |---|---|
//! | `image` | the page's bytes: ELF tables and code |
//! | `area` | what the page reads on this node, and the slots that it calls from |
//! | `rewind` | traps inside the page; the invariant |
//! | `kernel` | the kernel's functions |
//! | `time` | readings of clocks, differences |
//!
//! **Clocks over a jump.** Home's are the kernel's. A peer learns at the start how far home's are ahead, known to a round trip. Each jump
//! and each answer of home's tells what clocks have told before: a peer that is behind home is put right; a node that is behind
//! another peer, or home behind a peer, stands still until its own clock has come as far (`Area::raise_floors`). So
//! CLOCK_MONOTONIC never runs backwards. The time of day is handled likewise, but for a difference of more than a second: then it
//! has been set, and runs as natively.

mod area;
mod image;
mod kernel;
mod rewind;
mod time;

#[cfg(test)]
mod tests;

use std::io;

use eos_pager::page::{APP_END, PAGE_SIZE};

use area::AREA;

pub use rewind::rewind;
pub use time::{Readings, WireReadings};

/// Where the program finds the image: `AT_SYSINFO_EHDR`. Nothing else is ever mapped from here to [`APP_END`].
pub const IMAGE: u64 = APP_END - 0x1_0000;
const IMAGE_END: u64 = IMAGE + PAGE_SIZE;

/// Maps the image and readies the area. Before the program starts here.
///
/// # Errors
/// The kernel refused the memory.
///
/// # Safety
/// What is mapped at [`IMAGE`] is replaced.
pub unsafe fn map(at_home: bool) -> io::Result<()> {
    AREA.fill(&kernel::KernelVdso::find(), at_home);
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
    let writable = libc::PROT_READ | libc::PROT_WRITE;
    let (at, length) = (IMAGE as *mut libc::c_void, PAGE_SIZE as usize);
    let bytes = image::bytes();
    assert!(bytes.len() <= length, "the image is one page");
    // SAFETY: a page that is nobody's, as the caller says, and is large enough; the pointer's place is inside.
    unsafe {
        if libc::mmap(at, length, writable, flags, -1, 0) == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        at.cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        let pointer = at.byte_add(image::marks().area as usize).cast::<u64>();
        pointer.write_unaligned((&raw const AREA).addr() as u64);
        if libc::mprotect(at, length, libc::PROT_READ | libc::PROT_EXEC) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// What the program's clocks tell here and now.
pub fn readings() -> Readings {
    AREA.readings()
}

/// Seconds and nanoseconds that the program's clock of this number tells here and now; none if it is none of the page's.
pub fn read(clock: libc::clockid_t) -> Option<[i64; 2]> {
    AREA.read(clock).map(|now| [now.seconds, now.nanoseconds])
}

/// On a peer, before the program comes for the first time: how far home's clocks are ahead of this node's.
pub fn set_offsets(ahead: &Readings) {
    AREA.set_offsets(ahead);
}

/// On a peer: home's clocks have told so much, and no clock here tells less from now on.
pub fn heard_from_home(told: &Readings) {
    AREA.catch_up(told);
}

/// Execution arrives: from now on no clock tells less than it did where execution was.
pub fn execution_arrives(told: &Readings) {
    AREA.raise_floors(told);
}

/// In a forked child whose parent has more threads: none of the others is in the page.
pub fn after_fork() {
    AREA.free_slots();
}
