//! Memory that the kernel or the runtime is about to touch on the program's behalf: made resident, and kept so.

use crate::entry::State;
use crate::error::PagerError;
use crate::fault::Fault;
use crate::layout::Kind;
use crate::page::{PageNumber, PageRange};
use crate::pager::{PINS_MAX, Pager};

impl Pager {
    /// Makes every mapped page of the range resident, and writable if `write`, up to the first hole: what lies beyond is
    /// the kernel's to refuse. Pin the range first if it is larger than a page.
    ///
    /// # Errors
    /// The wire failed or there is no room anywhere; the run must end.
    pub fn ensure(&mut self, range: PageRange, write: bool) -> Result<(), PagerError> {
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
                while page < end {
                    self.ensure_page(page, write && area.prot.writable())?;
                    page = page.next();
                }
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

    /// Keeps the range from being evicted until [`Pager::unpin`]. Ranges beyond the limit of pins are not pinned: the
    /// gateway never hands out that many.
    pub fn pin(&mut self, range: PageRange) {
        if self.pins.len() < PINS_MAX {
            self.pins.push(range);
        }
    }

    /// Lets go of all pinned ranges.
    pub fn unpin(&mut self) {
        self.pins.clear();
    }
}
