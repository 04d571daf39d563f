//! Moving memory to other addresses (mremap(2)): the mapping, its registration with userfaultfd, and the entries.

use crate::entry::State;
use crate::kernel;
use crate::layout::Area;
use crate::layout_log::LayoutOp;
use crate::page::{PageNumber, PageRange};
use crate::pager::Pager;
use crate::space::SpaceError;

impl Pager {
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
            let target = PageRange::new(target, PageNumber(target.0 + part.count()));
            let area = Area { serial: self.moved_copy(area.serial, part, target), ..area };
            self.relocate_area(part, target, area)?;
        }
        Ok(())
    }

    /// Moves one area, or a part of it. The kernel may hold it as several mappings, which it refuses to move at once (EFAULT): then
    /// one half after the other. Which borders inside an area the kernel keeps depends on what was touched between the
    /// program's calls, and so on where execution was.
    fn relocate_area(&mut self, from: PageRange, to: PageRange, area: Area) -> Result<(), SpaceError> {
        match kernel::remap(from, to) {
            Err(error) if error.raw_os_error() == Some(libc::EFAULT) && from.count() > 1 => {
                let half = from.count() / 2;
                let (from, to) = (from.split_at(half), to.split_at(half));
                self.relocate_area(from.0, to.0, area)?;
                return self.relocate_area(from.1, to.1, area);
            }
            outcome => outcome?,
        }
        let around = self.merged_around(area, to);
        self.layout.remove(from.addresses());
        self.log_change(LayoutOp::Unmap { range: from.addresses() });
        self.layout.insert(to.addresses(), area);
        self.log_change(LayoutOp::Map { range: to.addresses(), area });
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
}
