//! Memory that the kernel or the runtime is about to touch on the program's behalf: made resident, and kept so.

use crate::entry::State;
use crate::error::PagerError;
use crate::fault::Fault;
use crate::layout::{Area, Kind};
use crate::page::{PageNumber, PageRange};
use crate::pager::{PINS_MAX, Pager};

impl Pager {
    /// Makes every mapped page of the range resident, and writable if `write`, up to the first hole: what lies beyond is
    /// the kernel's to refuse. Pin the range first if it is larger than a page.
    ///
    /// # Errors
    /// As [`Pager::fault`].
    pub fn ensure(&mut self, range: PageRange, write: bool) -> Result<(), PagerError> {
        self.ensure_as(range, |area| write && area.prot.writable())
    }

    /// [`Pager::ensure`] for a kernel that will write, also where the program may not: through `/proc/self/mem`.
    ///
    /// # Errors
    /// As [`Pager::ensure`].
    pub fn ensure_for_force(&mut self, range: PageRange) -> Result<(), PagerError> {
        self.ensure_as(range, |_| true)
    }

    fn ensure_as(&mut self, range: PageRange, write: impl Fn(Area) -> bool) -> Result<(), PagerError> {
        if !self.tracked_any {
            return Ok(());
        }
        let mut page = range.start;
        while page < range.end {
            let Some((span, area)) = self.layout.find(page.addr()) else {
                return Ok(());
            };
            let end = PageNumber::from_addr(span.end).min(range.end);
            let cared_for = area.tracked || (area.kind == Kind::FileRo && self.elastic);
            // What the program has no access to the kernel will not touch either.
            if cared_for && area.prot.accessible() {
                self.know_end(Some(end));
                let ensured = PageRange::new(page, end);
                let outcome = ensured.into_iter().try_for_each(|page| self.ensure_page(page, write(area)));
                self.know_end(None);
                outcome?;
            }
            page = end;
        }
        Ok(())
    }

    fn ensure_page(&mut self, page: PageNumber, write: bool) -> Result<(), PagerError> {
        let entry = self.table.load(page);
        let there = entry.is_resident_on(self.me) || entry.state() == State::Replica;
        if there && !(write && entry.is_clean()) {
            return Ok(());
        }
        self.fault(page, write).map(|_: Fault| ())
    }

    /// Whether pages can be missing at all; until then the kernel alone cares for the program's memory.
    pub fn has_tracked(&self) -> bool {
        self.tracked_any
    }

    /// Keeps the range from being evicted until [`Pager::unpin`] for the same holder (a thread). Ranges beyond the limit of
    /// pins are not pinned: the gateway never hands out that many for a call.
    pub fn pin(&mut self, range: PageRange, write: bool, holder: u32) {
        if self.pins.iter().filter(|pin| pin.holder == holder).count() < PINS_MAX {
            self.pins.push(Pin { range, write, holder });
        }
    }

    /// Lets go of all ranges that the holder has pinned.
    pub fn unpin(&mut self, holder: u32) {
        self.pins.retain(|pin| pin.holder != holder);
    }
}

/// A range that must not be evicted, since the kernel or the runtime is at work in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pin {
    pub range: PageRange,
    /// It is written to.
    pub write: bool,
    /// The thread for whose system call it is pinned.
    pub holder: u32,
}

/// Holder of what the pager itself pins; no thread has this number.
pub(crate) const OWN_PINS: u32 = u32::MAX;
