//! The app's address space: mapping, unmapping, protecting, moving and emptying ranges, with the page table, the slots,
//! the layout and the kernel kept in step.
//!
//! Called by the gateway for the program's memory calls, on the node that executes. All ranges are whole pages.

use std::io;
use std::os::fd::BorrowedFd;

use crate::entry::{Entry, State};
use crate::error::PagerError;
use crate::kernel;
use crate::layout::{Area, Kind, Prot};
use crate::layout_log::LayoutOp;
use crate::page::{PageNumber, PageRange};
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
        self.log.append(LayoutOp::Map { range: range.addresses(), area });
        Ok(())
    }

    /// Decides who cares for a new accessible anonymous range: the kernel alone, while the upper bound of what is resident
    /// stays within the budget, else the pager, from its first touch on.
    fn enter(&mut self, range: PageRange, area: Area) -> Result<(), SpaceError> {
        let fits = self.room(self.me) >= self.native_pages + range.count();
        let native = !self.elastic && (area.kind == Kind::Reserve || fits);
        if native && area.kind != Kind::Reserve {
            self.native_pages += range.count();
            self.counters.native_pages_max = self.counters.native_pages_max.max(self.native_pages);
        }
        if !native {
            self.tracked_any = true;
            self.uffd.register(range)?;
        }
        let area = Area { tracked: !native, ..area };
        self.layout.insert(range.addresses(), area);
        self.log.append(LayoutOp::Map { range: range.addresses(), area });
        Ok(())
    }

    /// Maps anonymous memory right behind an area, so that both are one.
    ///
    /// # Errors
    /// What mmap(2) says.
    pub fn extend(&mut self, tail: PageRange, area: Area) -> Result<(), SpaceError> {
        let fits = self.room(self.me) >= self.native_pages + tail.count();
        if !area.tracked && area.kind == Kind::Anon && !fits {
            self.adopt_native()?;
        }
        let elastic = self.elastic;
        self.elastic |= area.tracked;
        let mapped = self.map_anon(tail, area.prot, area.growsdown);
        self.elastic = elastic;
        mapped
    }

    /// Registers everything that was left to the kernel so far, and takes stock of what is resident. From then on the
    /// pager sees every first touch.
    ///
    /// # Errors
    /// The kernel refused (out of mappings).
    pub fn adopt_native(&mut self) -> Result<(), PagerError> {
        let native: Vec<_> = self.layout.iter().filter(|(_, area)| is_native(area)).collect();
        for (addresses, area) in native {
            let range = PageRange::covering(&addresses);
            self.uffd.register(range).map_err(|source| self.kernel("registering memory with userfaultfd", source))?;
            let tracked = Area { tracked: true, kind: Kind::Anon, ..area };
            self.layout.insert(addresses.clone(), tracked);
            self.log.append(LayoutOp::Map { range: addresses, area: tracked });
            if area.kind == Kind::Anon {
                self.take_stock(range, area)?;
            }
        }
        self.native_pages = 0;
        self.elastic = true;
        self.tracked_any = true;
        Ok(())
    }

    fn take_stock(&mut self, range: PageRange, area: Area) -> Result<(), PagerError> {
        let mut present = Vec::new();
        self.own_memory
            .for_each_present(range, |page| present.push(page))
            .map_err(|source| self.kernel("reading /proc/self/pagemap", source))?;
        let (me, noread) = (self.me, !area.prot.readable());
        for page in present {
            let here = |entry: Entry| Some(entry.with_state(State::Resident).with_owner(me).with_noread(noread));
            let _ = self.table.update(page, here);
            self.arrived(page);
        }
        self.note_resident_max();
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
        self.log.append(LayoutOp::Unmap { range: range.addresses() });
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
        self.log.append(LayoutOp::Protect { range: range.addresses(), prot });
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

    /// Moves `from` to `to`, which is of the same length and replaced, contents and all.
    ///
    /// One area at a time: the kernel would move the first ones and then refuse those that are registered.
    ///
    /// # Errors
    /// What mremap(2) says; the areas before the one that it refused have been moved.
    pub fn relocate(&mut self, from: PageRange, to: PageRange) -> Result<(), SpaceError> {
        self.settle_for_move(from)?;
        self.unmap(to)?;
        let parts: Vec<_> = self.layout.overlapping(from.addresses()).collect();
        for (addresses, area) in parts {
            let part = PageRange::covering(&addresses);
            let target = PageNumber(part.start.0 - from.start.0 + to.start.0);
            self.relocate_area(part, PageRange::new(target, PageNumber(target.0 + part.count())), area)?;
        }
        Ok(())
    }

    fn relocate_area(&mut self, from: PageRange, to: PageRange, area: Area) -> Result<(), SpaceError> {
        kernel::remap(from, to)?;
        let around = self.merged_around(area, to);
        let area = Area { serial: self.moved_copy(area.serial, from, to), ..area };
        self.layout.remove(from.addresses());
        self.log.append(LayoutOp::Unmap { range: from.addresses() });
        self.layout.insert(to.addresses(), area);
        self.log.append(LayoutOp::Map { range: to.addresses(), area });
        for (part, _) in self.layout.overlapping(around).filter(|(_, area)| area.tracked) {
            self.uffd.register(PageRange::covering(&part))?;
        }
        self.move_entries(from, to);
        Ok(())
    }

    /// The addresses whose registration may be gone after mremap(2) of `area` (still in the layout) to `to` (not yet).
    /// The kernel takes it away from all of the mapping that it moved, and it may have joined that to equal neighbours
    /// first: then they lose it too, and pages of theirs that are missing would read as zeros (seen with Linux 6.18).
    fn merged_around(&self, area: Area, to: PageRange) -> std::ops::Range<u64> {
        let alike = |address| self.layout.find(address).filter(|(_, near)| near.tracked && near.prot == area.prot);
        let mut around = to.addresses();
        while let Some((span, _)) = alike(around.start.wrapping_sub(1)) {
            around.start = span.start;
        }
        while let Some((span, _)) = alike(around.end) {
            around.end = span.end;
        }
        around
    }

    /// Before a move: pages resident elsewhere come here (their node knows them by address), and clean pages become
    /// dirty (the kernel forgets write protection when it moves a mapping).
    fn settle_for_move(&mut self, range: PageRange) -> Result<(), SpaceError> {
        let mut elsewhere = Vec::new();
        let mut clean = Vec::new();
        self.table.scan(range, |page, entry| {
            if entry.state() == State::Resident && entry.owner() != self.me {
                elsewhere.push(page);
            } else if entry.is_resident_on(self.me) && entry.is_clean() {
                clean.push(page);
            }
        });
        for page in elsewhere {
            self.fault(page, true)?;
        }
        for page in clean {
            self.make_dirty(page)?;
        }
        Ok(())
    }

    fn move_entries(&mut self, from: PageRange, to: PageRange) {
        let mut moves = Vec::new();
        self.table.scan(from, |page, entry| moves.push((page, entry)));
        for (page, entry) in moves {
            if entry.state() == State::Absent {
                continue;
            }
            let target = PageNumber(page.0 - from.start.0 + to.start.0);
            let old = self.table.load(target);
            self.table.overwrite(target, entry.with_queued(old.queued()).with_stale_mask(old.stale_mask()));
            self.table.overwrite(page, entry.cleared());
            self.note(page);
            self.note(target);
            if entry.is_resident_on(self.me) || entry.slot().is_some_and(|slot| slot.node == self.me) {
                self.enqueue(target);
            }
        }
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
                slots[slot.node.0 as usize].free(slot.index);
                nodes[slot.node.0 as usize].exhausted = false;
                if slot.node == *me {
                    region.discard(slot.offset() as usize, crate::page::PAGE_SIZE as usize);
                }
            }
            match entry.state() {
                State::Resident => nodes[entry.owner().0 as usize].resident -= 1,
                State::Replica => nodes[me.0 as usize].resident -= 1,
                _ => {}
            }
            table.overwrite(page, entry.cleared());
            changes.note(page, table.cell(page), *me, *active);
        });
    }
}

fn is_native(area: &Area) -> bool {
    !area.tracked && matches!(area.kind, Kind::Anon | Kind::Reserve)
}
