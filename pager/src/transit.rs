//! Pages on their way from one place to another without the program having asked for them: out of a slot, or out of another node's
//! memory, and into this node's or a slot elsewhere. For threads of the runtime that hold the lock; it may allocate.
//!
//! A place is there before the bytes are taken out of the old one, and the entry changes under its lock states as by a pull and a push
//! with nothing in between. So whatever fails, the page is in the one place or in the other.

use eos_verbs::NodeId;

use crate::ahead::WINDOW_PAGES;
use crate::entry::SlotRef;
use crate::error::PagerError;
use crate::page::{PAGE_SIZE, PageNumber, PageRange};
use crate::pager::{Pager, RUN_PAGES_MAX};
use crate::protocol;
use crate::uffd::Protection;
use crate::window::add_read;

/// Most pages that are moved together.
pub(crate) const TRANSIT_MAX: usize = WINDOW_PAGES as usize;

/// Of this node's limit, one part in so many stays free for the program's own pages as long as there is room elsewhere.
const SPARE_PARTS: u64 = 16;

/// Where pages may go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bound {
    /// To this node, as far as there is room.
    Here,
    /// To this node if it has plenty of room, else to slots elsewhere, else to this node.
    Anywhere,
}

/// A place for some pages.
enum Place {
    Here(u64),
    Slots(SlotRef, u64),
}

impl Pager {
    /// Moves pages out of slots of one node: at most [`TRANSIT_MAX`], Remote ones, ascending, each with its slot there. Returns how many
    /// found a place; the others stay.
    pub(crate) fn move_out_of_slots(
        &mut self,
        node: NodeId,
        pages: &[(PageNumber, SlotRef)],
        bound: Bound,
    ) -> Result<usize, PagerError> {
        let mut reads = Vec::with_capacity(pages.len());
        pages.iter().for_each(|(_, slot)| add_read(&mut reads, *slot, false));
        let bytes = pages.len() * PAGE_SIZE as usize;
        let link = self.links[node.index()].as_mut().expect("a node with slots is joined");
        link.read_list(&reads, &mut self.bounce[..bytes])?;
        let mut at = 0;
        while at < pages.len() {
            let beside = |(index, (page, _)): &(usize, &(PageNumber, SlotRef))| page.0 == pages[at].0.0 + *index as u64;
            let run = pages[at..].iter().enumerate().take_while(beside).count() as u64;
            let count = match self.place_for(pages[at].0, run, bound)? {
                Some(Place::Here(count)) => self.settle_here(&pages[at..at + count as usize], at)?,
                Some(Place::Slots(slot, count)) => self.settle_in_slots(&pages[at..at + count as usize], at, slot)?,
                None => break,
            };
            at += count;
        }
        Ok(at)
    }

    /// Pages whose bytes are in the bounce buffer, from page `at` of it on, become resident here. Nobody has asked for them, so they go
    /// before those that were.
    fn settle_here(&mut self, pages: &[(PageNumber, SlotRef)], at: usize) -> Result<usize, PagerError> {
        for (page, _) in pages {
            let claimed = protocol::begin_pull(self.table.cell(*page), self.me);
            debug_assert!(claimed.is_ok(), "the page is in a slot");
        }
        let range = PageRange::new(pages[0].0, PageNumber(pages[0].0.0 + pages.len() as u64));
        let source = self.bounce[at * PAGE_SIZE as usize..].as_ptr();
        self.uffd
            .copy(range, source, Protection::Writable)
            .map_err(|source| self.kernel("installing pages", source))?;
        for (page, slot) in pages {
            protocol::finish_pull(self.table.cell(*page), self.me, false);
            self.free_slot(*slot);
            self.arrived(*page);
        }
        self.note_resident_max();
        Ok(pages.len())
    }

    /// The same into the slots from `to` on.
    fn settle_in_slots(
        &mut self,
        pages: &[(PageNumber, SlotRef)],
        at: usize,
        to: SlotRef,
    ) -> Result<usize, PagerError> {
        let bytes = at * PAGE_SIZE as usize..(at + pages.len()) * PAGE_SIZE as usize;
        let link = self.links[to.node.index()].as_mut().expect("a node with slots is joined");
        link.post_write(to.offset(), &self.bounce[bytes])?;
        for ((page, from), index) in pages.iter().zip(to.index..) {
            let claimed = protocol::begin_pull(self.table.cell(*page), self.me);
            debug_assert!(claimed.is_ok(), "the page is in a slot");
            self.changes_slot(*page, SlotRef { index, ..to });
            self.free_slot(*from);
        }
        Ok(pages.len())
    }

    /// A page that this thread has claimed by a pull is in the slot `to` now, and was never mapped here. Returns the slot it had.
    fn changes_slot(&mut self, page: PageNumber, to: SlotRef) -> Option<SlotRef> {
        let cell = self.table.cell(page);
        let (before, _) = protocol::finish_pull(cell, self.me, false);
        let claimed = protocol::begin_push(cell, self.me, to);
        debug_assert!(claimed.is_ok(), "the page was just taken over");
        protocol::finish_push(cell);
        self.note(page);
        before.slot()
    }

    /// Takes pages away that are resident on `node`: neighbours from `page` on, `run` of them. Returns how many; 0 if there is no room.
    pub(crate) fn move_out_of_memory(
        &mut self,
        node: NodeId,
        page: PageNumber,
        run: u64,
        bound: Bound,
    ) -> Result<u64, PagerError> {
        let (to, count) = match self.place_for(page, run.min(RUN_PAGES_MAX), bound)? {
            Some(Place::Here(count)) => {
                let run = PageRange::new(page, PageNumber(page.0 + count));
                return self.fetch_run(run, node).map(|()| count);
            }
            Some(Place::Slots(slot, count)) => (slot, count),
            None => return Ok(0),
        };
        let range = PageRange::new(page, PageNumber(page.0 + count));
        for page in range {
            let claimed = protocol::begin_pull(self.table.cell(page), self.me);
            debug_assert!(claimed.is_ok(), "the page is resident on another node");
        }
        let bytes = self.fetch_bytes(node, range)?;
        let link = self.links[to.node.index()].as_mut().expect("a node with slots is joined");
        link.post_write(to.offset(), &self.message[bytes])?;
        for (page, index) in range.into_iter().zip(to.index..) {
            if let Some(slot) = self.changes_slot(page, SlotRef { index, ..to }) {
                self.free_slot(slot);
            }
            self.nodes[node.index()].resident -= 1;
        }
        Ok(count)
    }

    /// A place for up to `run` neighbours from `page` on.
    fn place_for(&mut self, page: PageNumber, run: u64, bound: Bound) -> Result<Option<Place>, PagerError> {
        let here = |count: u64| (count > 0).then(|| Place::Here(count.min(run)));
        let plenty = self.room_here().saturating_sub(self.here().limit / SPARE_PARTS);
        if bound == Bound::Here || plenty > 0 {
            return Ok(here(if bound == Bound::Here { self.room_here() } else { plenty }));
        }
        if let Some((slot, count)) = self.take_slots(page, run)? {
            return Ok(Some(Place::Slots(slot, count.into())));
        }
        if self.me != NodeId::HOME && self.room_here() == 0 && !self.here().exhausted {
            self.lease(self.me)?;
        }
        Ok(here(self.room_here()))
    }

    /// Pages that may become resident here without any having to go.
    pub(crate) fn room_here(&self) -> u64 {
        self.room(self.me).saturating_sub(self.native_pages)
    }
}
