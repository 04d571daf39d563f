//! mmap, munmap, mprotect.

use std::os::fd::BorrowedFd;

use eos_pager::layout::{Area, Kind, Prot};
use eos_pager::page::{PAGE_SIZE, PageRange};
use eos_pager::space::SpaceError;

use super::{Answer, Outcome, checked_range, is_app, page_up, pages};
use crate::executor::Executor;

/// Mappings without an address of their own are placed below this, top down, as Linux does.
pub const MMAP_TOP: u64 = 0x4f00_0000_0000;
/// And above this.
pub const MMAP_BOTTOM: u64 = 0x2000_0000_0000;

/// Flags that change nothing here: `MAP_NORESERVE`, `MAP_POPULATE`, `MAP_STACK`, `MAP_LOCKED`, … are hints.
const PLACE: i32 = libc::MAP_FIXED | libc::MAP_FIXED_NOREPLACE;
const HUGETLB: i32 = libc::MAP_HUGETLB;

impl Executor {
    pub(super) fn mmap(&mut self, args: [u64; 6]) -> Outcome {
        let [addr, len, prot, flags, fd, offset] = args;
        let flags = flags as i32;
        let prot = Prot::from_bits(prot as u32);
        let shared = matches!(flags & libc::MAP_TYPE, libc::MAP_SHARED | libc::MAP_SHARED_VALIDATE);
        if len == 0 || !(shared || flags & libc::MAP_TYPE == libc::MAP_PRIVATE) {
            return Err(SpaceError::Errno(libc::EINVAL));
        }
        if flags & HUGETLB != 0 {
            // Pages of 2 MiB cannot be evicted one by one; programs fall back to normal ones.
            return Err(SpaceError::Errno(libc::ENOMEM));
        }
        let anonymous = flags & libc::MAP_ANONYMOUS != 0;
        if (shared || !anonymous) && !self.at_home() {
            return Ok(Answer::GoHome);
        }
        if !anonymous && !offset.is_multiple_of(PAGE_SIZE) {
            return Err(SpaceError::Errno(libc::EINVAL));
        }
        let range = self.place(addr, len, flags)?;
        if anonymous && !shared {
            let growsdown = flags & libc::MAP_GROWSDOWN != 0;
            self.pager.map_anon(range, prot, growsdown)?;
        } else if anonymous {
            self.map_shared(range, prot, flags, None)?;
        } else {
            self.map_file(range, prot, flags, fd as i32, offset, shared)?;
        }
        Ok(Answer::Value(range.start.addr()))
    }

    /// Finds the addresses of a new mapping.
    fn place(&mut self, addr: u64, len: u64, flags: i32) -> Result<PageRange, SpaceError> {
        if flags & PLACE != 0 {
            let range = checked_range(addr, len, libc::ENOMEM)?;
            if !is_app(range) {
                return Err(SpaceError::Errno(if addr < eos_pager::page::APP_START {
                    libc::EPERM
                } else {
                    libc::ENOMEM
                }));
            }
            let taken = !self.pager.layout.is_free(range.addresses());
            if flags & libc::MAP_FIXED_NOREPLACE != 0 && taken {
                return Err(SpaceError::Errno(libc::EEXIST));
            }
            return Ok(range);
        }
        let len = page_up(len);
        let hint = addr & !(PAGE_SIZE - 1);
        if hint != 0
            && let Ok(range) = checked_range(hint, len, libc::ENOMEM)
            && is_app(range)
            && self.pager.layout.is_free(range.addresses())
        {
            return Ok(range);
        }
        let low_only = flags & libc::MAP_32BIT != 0;
        let bounds = if low_only { 0x4000_0000..0x8000_0000 } else { MMAP_BOTTOM..MMAP_TOP };
        let start = self.pager.layout.find_gap(len, PAGE_SIZE, bounds);
        let start = start.ok_or(SpaceError::Errno(libc::ENOMEM))?;
        Ok(pages(start, start + len))
    }

    /// A file: shared as the kernel has it, private and read-only likewise, private and writable as a copy.
    pub(crate) fn map_file(
        &mut self,
        range: PageRange,
        prot: Prot,
        flags: i32,
        fd: i32,
        offset: u64,
        shared: bool,
    ) -> Result<(), SpaceError> {
        if fd < 0 || self.own_fds.contains(fd) {
            return Err(SpaceError::Errno(libc::EBADF));
        }
        // SAFETY: the descriptor is the program's and is only borrowed for this call.
        let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
        if shared {
            return self.map_shared(range, prot, flags, Some((borrowed, offset)));
        }
        let area = Area { kind: Kind::FileRo, tracked: false, ..Area::anon(prot) };
        // Mapped natively first in any case: the kernel checks the descriptor, its mode and the offset.
        self.pager.map_native(range, area, flags & !PLACE, Some((borrowed, offset)))?;
        if prot.writable() { self.pager.make_private(range, prot) } else { Ok(()) }
    }

    fn map_shared(
        &mut self,
        range: PageRange,
        prot: Prot,
        flags: i32,
        file: Option<(BorrowedFd<'_>, u64)>,
    ) -> Result<(), SpaceError> {
        let area = Area { kind: Kind::Shared, tracked: false, ..Area::anon(prot) };
        self.pager.map_native(range, area, flags & !PLACE, file)
    }

    pub(super) fn munmap(&mut self, addr: u64, len: u64) -> Outcome {
        if len == 0 {
            return Err(SpaceError::Errno(libc::EINVAL));
        }
        let range = checked_range(addr, len, libc::EINVAL)?;
        self.pager.unmap(range)?;
        Ok(Answer::Value(0))
    }

    pub(super) fn mprotect(&mut self, addr: u64, len: u64, prot: u64) -> Outcome {
        const GROWSDOWN: u64 = 0x0100_0000;
        const GROWSUP: u64 = 0x0200_0000;
        if prot & !(7 | GROWSDOWN | GROWSUP) != 0 || prot & GROWSUP != 0 {
            return Err(SpaceError::Errno(libc::EINVAL));
        }
        let mut range = checked_range(addr, len, libc::ENOMEM)?;
        if prot & GROWSDOWN != 0
            && let Some((span, area)) = self.pager.layout.find(addr)
            && area.growsdown
        {
            range = pages(span.start, range.end.addr());
        }
        let prot = Prot::from_bits(prot as u32);
        let parts: Vec<_> = self.pager.layout.overlapping(range.addresses()).collect();
        let native = |kind| matches!(kind, Kind::FileRo | Kind::Shared);
        if !self.at_home() && parts.iter().any(|(_, area)| native(area.kind)) {
            return Ok(Answer::GoHome);
        }
        for (part, area) in &parts {
            if area.kind == Kind::FileRo && prot.writable() {
                self.pager.make_private(PageRange::covering(part), prot)?;
            }
        }
        self.pager.protect(range, prot)?;
        Ok(Answer::Value(0))
    }
}
