//! madvise, mincore, mlock, msync.

use eos_pager::layout::Kind;
use eos_pager::page::{PAGE_SIZE, PageRange};
use eos_pager::space::SpaceError;

use super::{Answer, Outcome, checked_range};
use crate::RunError;
use crate::executor::Executor;
use crate::gateway::syscall6;

impl Executor {
    pub(super) fn madvise(&mut self, addr: u64, len: u64, advice: i32) -> Outcome {
        let range = checked_range(addr, len, libc::EINVAL)?;
        let empties = matches!(advice, libc::MADV_DONTNEED | libc::MADV_FREE);
        let pages_wanted = matches!(advice, libc::MADV_POPULATE_READ | libc::MADV_POPULATE_WRITE | libc::MADV_WILLNEED);
        let hints = matches!(
            advice,
            libc::MADV_NORMAL
                | libc::MADV_RANDOM
                | libc::MADV_SEQUENTIAL
                | libc::MADV_COLD
                | libc::MADV_PAGEOUT
                | libc::MADV_DONTDUMP
                | libc::MADV_DODUMP
                | libc::MADV_HUGEPAGE
                | libc::MADV_NOHUGEPAGE
                | libc::MADV_MERGEABLE
                | libc::MADV_UNMERGEABLE
                | libc::MADV_COLLAPSE
        );
        if matches!(advice, libc::MADV_DONTFORK | libc::MADV_DOFORK) {
            // A child has the memory too, and need not look at it. Without it, it would differ from its own page table.
            let mapped = self.pager.layout.require_mapped(range.addresses());
            return mapped.map(|()| Answer::Value(0)).map_err(|_| SpaceError::Errno(libc::ENOMEM));
        }
        // `MADV_WIPEONFORK` is refused, as by old kernels: who asks for it must not find its parent's bytes.
        if !(empties || pages_wanted || hints || advice == libc::MADV_REMOVE) {
            return Err(SpaceError::Errno(libc::EINVAL));
        }
        let parts: Vec<_> = self.pager.layout.overlapping(range.addresses()).collect();
        let hole = self.pager.layout.require_mapped(range.addresses()).is_err();
        for (part, area) in parts {
            let part = PageRange::covering(&part);
            let native = !matches!(area.kind, Kind::Anon | Kind::Reserve);
            let copy = area.serial != 0;
            if (native || copy && empties) && !self.at_home() {
                return Ok(Answer::GoHome);
            }
            if copy && advice == libc::MADV_FREE {
                return Err(SpaceError::Errno(libc::EINVAL));
            } else if copy && empties {
                self.pager.discard_copy(part, area)?;
            } else if empties && !native {
                self.pager.discard(part, libc::MADV_DONTNEED)?;
            } else if native || (hints && !area.tracked) {
                eos_pager::kernel::advise(part, advice)?;
            }
        }
        if hole && !range.is_empty() { Err(SpaceError::Errno(libc::ENOMEM)) } else { Ok(Answer::Value(0)) }
    }

    /// Every page that has contents counts as resident: the program asks what costs a disk access, and none does.
    pub(super) fn mincore(&mut self, addr: u64, len: u64, vector: u64) -> Outcome {
        let range = checked_range(addr, len, libc::ENOMEM)?;
        if self.pager.layout.require_mapped(range.addresses()).is_err() {
            return Err(SpaceError::Errno(libc::ENOMEM));
        }
        if !self.at_home() {
            return Ok(Answer::GoHome);
        }
        let mut bytes = vec![0_u8; range.count() as usize];
        // SAFETY: mincore(2) fills the runtime's own buffer.
        let outcome =
            unsafe { syscall6(libc::SYS_mincore.cast_unsigned(), [addr, len, bytes.as_mut_ptr() as u64, 0, 0, 0]) };
        if outcome < 0 {
            return Err(SpaceError::Errno(-outcome as i32));
        }
        self.pager.mark_contents(range, &mut bytes);
        match self.store(vector, &bytes) {
            Ok(result) if result < 0 => Err(SpaceError::Errno(libc::EFAULT)),
            Ok(_) => Ok(Answer::Value(0)),
            Err(RunError::Pager(error)) => Err(SpaceError::Fatal(error)),
            Err(_) => Err(SpaceError::Errno(libc::EFAULT)),
        }
    }

    /// Memory that a peer may hold cannot be locked; the call is accepted as it would be with enough memory.
    pub(super) fn mlock(&mut self, addr: u64, len: u64) -> Outcome {
        let start = addr & !(PAGE_SIZE - 1);
        let range = checked_range(start, len.saturating_add(addr - start), libc::ENOMEM)?;
        if self.pager.layout.require_mapped(range.addresses()).is_err() {
            return Err(SpaceError::Errno(libc::ENOMEM));
        }
        Ok(Answer::Value(0))
    }

    pub(super) fn msync(&mut self, args: [u64; 6]) -> Outcome {
        if !self.at_home() {
            return Ok(Answer::GoHome);
        }
        // SAFETY: msync(2) changes no memory.
        let outcome = unsafe { syscall6(libc::SYS_msync.cast_unsigned(), args) };
        if outcome < 0 { Err(SpaceError::Errno(-outcome as i32)) } else { Ok(Answer::Value(0)) }
    }
}
