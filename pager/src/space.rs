//! The app's address space: mapping, unmapping, protecting, moving and emptying ranges, with the page table, the slots,
//! the layout and the kernel kept in step.
//!
//! Called by the gateway for the program's memory calls, on the node that executes. All ranges are whole pages.

use std::io;
use std::os::fd::BorrowedFd;

use crate::adopt::is_native;
use crate::entry::State;
use crate::error::PagerError;
use crate::kernel;
use crate::layout::{Area, Kind, Prot};
use crate::layout_log::LayoutOp;
use crate::page::PageRange;
use crate::pager::Pager;

/// Why a memory call of the program fails.
#[derive(Debug)]
pub enum SpaceError {
    /// An errno for the program.
    Errno(i32),
    /// The run cannot go on.
    Fatal(PagerError),
}

impl From<PagerError> for SpaceError {
    fn from(error: PagerError) -> Self {
        Self::Fatal(error)
    }
}

impl From<io::Error> for SpaceError {
    fn from(error: io::Error) -> Self {
        Self::Errno(error.raw_os_error().unwrap_or(libc::EINVAL))
    }
}

impl Pager {
    /// Maps anonymous private memory, replacing what was there.
    ///
    /// # Errors
    /// What mmap(2) says.
    pub fn map_anon(&mut self, range: PageRange, prot: Prot, growsdown: bool) -> Result<(), SpaceError> {
        self.map_area(range, Area { growsdown, ..Area::anon(prot) })
    }

    /// Maps private memory as `area` says; whether it is tracked is found out.
    pub(crate) fn map_area(&mut self, range: PageRange, area: Area) -> Result<(), SpaceError> {
        self.forget_range(range);
        kernel::map_anon(range, area.prot.bits() as i32)?;
        let reserve = area.prot == Prot::NONE && !self.elastic;
        let kind = if reserve { Kind::Reserve } else { Kind::Anon };
        self.enter(range, Area { kind, tracked: false, ..area })
    }

    /// Maps a file (or shared anonymous memory) as the kernel does it: read-only private, or shared. Home only.
    ///
    /// # Errors
    /// What mmap(2) says.
    pub fn map_native(
        &mut self,
        range: PageRange,
        area: Area,
        flags: i32,
        file: Option<(BorrowedFd<'_>, u64)>,
    ) -> Result<(), SpaceError> {
        kernel::map_any(range, area.prot.bits() as i32, flags, file)?;
        self.forget_range(range);
        self.layout.insert(range.addresses(), area);
        self.log_change(LayoutOp::Map { range: range.addresses(), area });
        Ok(())
    }

    /// Memory that something else than mmap(2) puts at `range`: `attach` does it, and replaces what is there. Home only.
    ///
    /// # Errors
    /// What `attach` says; nothing has changed then.
    pub fn attach_native(
        &mut self,
        range: PageRange,
        area: Area,
        attach: impl FnOnce() -> std::io::Result<()>,
    ) -> Result<(), SpaceError> {
        attach()?;
        self.forget_range(range);
        self.layout.insert(range.addresses(), area);
        self.log_change(LayoutOp::Map { range: range.addresses(), area });
        Ok(())
    }

    /// Unmaps a range, holes and all.
    ///
    /// # Errors
    /// What munmap(2) says.
    pub fn unmap(&mut self, range: PageRange) -> Result<(), SpaceError> {
        kernel::unmap(range)?;
        let copies = self.has_copies(range);
        self.forget_range(range);
        self.layout.remove(range.addresses());
        if copies {
            self.forget_copies();
        }
        self.log_change(LayoutOp::Unmap { range: range.addresses() });
        Ok(())
    }

    /// Changes the protection of a range.
    ///
    /// # Errors
    /// `ENOMEM` if it has a hole; what lies before the hole is changed, as the kernel does it.
    pub fn protect(&mut self, range: PageRange, prot: Prot) -> Result<(), SpaceError> {
        let parts: Vec<_> = self.layout.overlapping(range.addresses()).collect();
        let mut next = range.start.addr();
        for (addresses, area) in parts {
            if addresses.start != next {
                return Err(SpaceError::Errno(libc::ENOMEM));
            }
            next = addresses.end;
            self.protect_area(PageRange::covering(&addresses), area, prot)?;
        }
        if next < range.end.addr() { Err(SpaceError::Errno(libc::ENOMEM)) } else { Ok(()) }
    }

    fn protect_area(&mut self, range: PageRange, area: Area, prot: Prot) -> Result<(), SpaceError> {
        kernel::protect(range, prot.bits() as i32)?;
        if area.kind == Kind::Reserve && prot != Prot::NONE {
            return self.enter(range, Area { prot, kind: Kind::Anon, ..area });
        }
        if area.prot.readable() != prot.readable() && area.tracked {
            let (table, changes, me, active) = (&self.table, &mut self.changes, self.me, self.active);
            table.scan(range, |page, entry| {
                if entry.state() != State::Absent {
                    let _ = table.update(page, |entry| Some(entry.with_noread(!prot.readable())));
                    changes.note(page, table.cell(page), me, active);
                }
            });
        }
        self.layout.insert(range.addresses(), Area { prot, ..area });
        self.log_change(LayoutOp::Protect { range: range.addresses(), prot });
        Ok(())
    }

    /// Gives the contents of a range back: the next touch of anonymous memory finds zeros (madvise(2) `MADV_DONTNEED`).
    ///
    /// # Errors
    /// What madvise(2) says.
    pub fn discard(&mut self, range: PageRange, advice: i32) -> Result<(), SpaceError> {
        let outcome = kernel::advise(range, advice);
        // ENOMEM: there are holes, and the kernel has emptied what lies between them.
        if outcome.as_ref().map_or_else(|error| error.raw_os_error() == Some(libc::ENOMEM), |()| true) {
            self.empty_range(range);
        }
        Ok(outcome?)
    }

    /// The contents of a range are gone, and so is what was native in it.
    fn forget_range(&mut self, range: PageRange) {
        let native =
            self.layout.overlapping(range.addresses()).filter(|(_, area)| is_native(area) && area.kind == Kind::Anon);
        let pages: u64 = native.map(|(part, _)| PageRange::covering(&part).count()).sum();
        self.native_pages -= pages;
        self.empty_range(range);
    }

    /// Marks, in a mincore(2) vector, the pages that have contents anywhere.
    pub fn mark_contents(&self, range: PageRange, vector: &mut [u8]) {
        self.table.scan(range, |page, entry| {
            if entry.state() != State::Absent {
                vector[(page.0 - range.start.0) as usize] |= 1;
            }
        });
    }

    /// Every page of the range is Absent; slots and places are free again.
    fn empty_range(&mut self, range: PageRange) {
        let Self { table, nodes, slots, changes, region, me, active, .. } = self;
        table.scan(range, |page, entry| {
            if entry.state() == State::Absent {
                return;
            }
            if let Some(slot) = entry.slot() {
                slots[slot.node.index()].free(slot.index);
                nodes[slot.node.index()].exhausted = false;
                if slot.node == *me {
                    region.discard(slot.offset() as usize, crate::page::PAGE_SIZE as usize);
                }
            }
            match entry.state() {
                State::Resident => nodes[entry.owner().index()].resident -= 1,
                State::Replica => nodes[me.index()].resident -= 1,
                _ => {}
            }
            table.overwrite(page, entry.cleared());
            changes.note(page, table.cell(page), *me, *active);
        });
    }
}
