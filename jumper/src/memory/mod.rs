//! The program's memory calls, carried out by the pager on the node that executes.

mod advise;
mod grow;
mod image;
mod map;
mod remap;
mod system_v;

use eos_pager::page::{APP_START, PAGE_SIZE, PageNumber, PageRange};
use eos_pager::space::SpaceError;

use crate::RunError;
use crate::executor::{Done, Executor};
use crate::gateway::Call;

pub use image::{INTERP_BASE, STACK_TOP};
pub use map::{MMAP_BOTTOM, MMAP_TOP};
pub use system_v::Attached;

/// The heap: from `start` to `end`, in bytes; `end` need not be page-aligned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Brk {
    /// Where it begins, page-aligned.
    pub start: u64,
    /// Where it ends now.
    pub end: u64,
}

/// Outcome of a memory call: a result for the program, or a reason to go home.
pub(crate) type Outcome = Result<Answer, SpaceError>;

/// What the program is told.
pub(crate) enum Answer {
    /// This value.
    Value(u64),
    /// Nothing yet: only home can do it.
    GoHome,
}

impl Executor {
    /// mmap, munmap, mremap, mprotect, madvise, brk, mincore, mlock and their kin.
    pub(crate) fn memory_call(&mut self, call: &'static Call, args: [u64; 6]) -> Result<Done, RunError> {
        if self.changes_held(call, &args) {
            return Ok(Done::GoHome);
        }
        let outcome = match i64::from(call.number) {
            libc::SYS_mmap => self.mmap(args),
            libc::SYS_munmap => self.munmap(args[0], args[1]),
            libc::SYS_mprotect => self.mprotect(args[0], args[1], args[2]),
            libc::SYS_pkey_mprotect if args[3] == u64::MAX => self.mprotect(args[0], args[1], args[2]),
            libc::SYS_mremap => self.mremap(args),
            libc::SYS_brk => self.brk(args[0]),
            libc::SYS_madvise => self.madvise(args[0], args[1], args[2] as i32),
            libc::SYS_mincore => self.mincore(args[0], args[1], args[2]),
            libc::SYS_mlock | libc::SYS_mlock2 | libc::SYS_munlock => self.mlock(args[0], args[1]),
            libc::SYS_mlockall | libc::SYS_munlockall => Ok(Answer::Value(0)),
            libc::SYS_msync => self.msync(args),
            libc::SYS_shmat => self.shmat(args[0] as i32, args[1], args[2] as i32),
            libc::SYS_shmdt => self.shmdt(args[0]),
            _ => {
                self.name_refused(call);
                Err(SpaceError::Errno(libc::ENOSYS))
            }
        };
        match outcome {
            Ok(Answer::Value(value)) => Ok(Done::Result(value.cast_signed())),
            Ok(Answer::GoHome) => Ok(Done::GoHome),
            Err(SpaceError::Errno(errno)) => Ok(Done::Result(-i64::from(errno))),
            Err(SpaceError::Fatal(error)) => Err(error.into()),
        }
    }

    /// On a peer: whether the call changes memory that a call at home has pinned.
    fn changes_held(&self, call: &Call, args: &[u64; 6]) -> bool {
        let [addr, len, second, flags, new, _] = *args;
        let fixed = |flags: u64| flags & libc::MAP_FIXED as u64 != 0;
        match i64::from(call.number) {
            libc::SYS_mmap => fixed(flags) && self.pager.holds(addr, len),
            libc::SYS_mremap => self.pager.holds(addr, len.max(second)) || self.pager.holds(new, second),
            libc::SYS_brk => self.pager.holds(addr, self.brk.end.saturating_sub(addr)),
            _ => self.pager.holds(addr, len),
        }
    }

    /// brk(2): the new end, or the old one if it cannot be moved there.
    fn brk(&mut self, end: u64) -> Outcome {
        let Brk { start, end: old } = self.brk;
        if end < start || end >= MMAP_TOP {
            return Ok(Answer::Value(old));
        }
        let (old_page, new_page) = (page_up(old), page_up(end));
        let changed = if new_page > old_page {
            let range = pages(old_page, new_page);
            if !self.pager.layout.is_free(range.addresses()) {
                return Ok(Answer::Value(old));
            }
            let prot = eos_pager::layout::Prot::READ.union(eos_pager::layout::Prot::WRITE);
            self.pager.map_anon(range, prot, false)
        } else if new_page < old_page {
            self.pager.unmap(pages(new_page, old_page))
        } else {
            Ok(())
        };
        match changed {
            Ok(()) => self.brk.end = end,
            Err(SpaceError::Errno(_)) => return Ok(Answer::Value(old)),
            Err(fatal) => return Err(fatal),
        }
        Ok(Answer::Value(end))
    }
}

/// Pages from address `start` to address `end`, both page-aligned.
pub(crate) fn pages(start: u64, end: u64) -> PageRange {
    PageRange::new(PageNumber::from_addr(start), PageNumber::from_addr(end))
}

/// Rounds an address up to a page boundary; saturates at the end of the address space.
pub(crate) fn page_up(address: u64) -> u64 {
    address.saturating_add(PAGE_SIZE - 1) & !(PAGE_SIZE - 1)
}

/// Where the program's memory ends; what is above looks to it as the kernel's half does.
const MEMORY_END: u64 = crate::clock_page::IMAGE;

/// A page-aligned range of the program's memory from untrusted arguments.
pub(crate) fn checked_range(addr: u64, len: u64, errno_outside: i32) -> Result<PageRange, SpaceError> {
    if !addr.is_multiple_of(PAGE_SIZE) {
        return Err(SpaceError::Errno(libc::EINVAL));
    }
    let end = addr.checked_add(page_up(len)).filter(|&end| end >= addr && end <= MEMORY_END);
    match end {
        Some(end) if len <= MEMORY_END => Ok(pages(addr, end)),
        _ => Err(SpaceError::Errno(errno_outside)),
    }
}

/// Whether a fixed address may be mapped by the program.
pub(crate) fn is_app(range: PageRange) -> bool {
    range.start.addr() >= APP_START && range.end.addr() <= MEMORY_END
}
