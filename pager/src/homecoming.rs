//! Pages come home while there is room, without the program having touched them.

use eos_verbs::NodeId;

use crate::entry::{SlotRef, State};
use crate::error::PagerError;
use crate::page::{CHUNK_PAGES, PageNumber, PageRange};
use crate::pager::{Pager, RUN_PAGES_MAX};
use crate::transit::{Bound, TRANSIT_MAX};

/// How far a search for pages that are away has come: up to the end of the program's memory, then again from the beginning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Search {
    at: PageNumber,
}

impl Default for Search {
    fn default() -> Self {
        Self { at: PageRange::APP.start }
    }
}

impl Pager {
    /// Pages that could come home without any having to go.
    #[must_use]
    pub fn room_at_home(&self) -> u64 {
        if self.me == NodeId::HOME && self.comes_unasked() { self.room_here() } else { 0 }
    }

    /// Pages that other nodes hold, copies of clean ones included.
    #[must_use]
    pub fn away_from_home(&self) -> u64 {
        (1..self.nodes.len()).map(|node| self.nodes[node].resident + u64::from(self.slots[node].used())).sum()
    }

    /// At home, where the program executes: brings some neighbours home, at most `most` pages and one batch, in the order of their
    /// addresses, which is how pages that belong together lie on the peers. Their slots are free then, and those of clean pages that are here
    /// already, so that a slab in which nothing else is can go back. Returns how many pages have no slot any more; with none, the search has come
    /// to the end of memory.
    ///
    /// # Errors
    /// The wire failed.
    pub fn bring_home(&mut self, search: &mut Search, most: u64) -> Result<u64, PagerError> {
        let most = most.min(self.room_at_home()).min(TRANSIT_MAX as u64) as usize;
        let mut spans = Vec::new();
        let rest = PageRange::new(search.at, PageRange::APP.end);
        spans.extend(self.layout.overlapping(rest.addresses()).filter(|(_, area)| area.tracked).map(|(span, _)| span));
        for span in spans {
            let mut span = PageRange::covering(&span).intersection(&rest);
            while most > 0 && !span.is_empty() {
                let part = PageRange::new(span.start, span.end.min(PageNumber((span.start.chunk() + 1) * CHUNK_PAGES)));
                let brought = self.bring_part(part, most, search)?;
                if brought > 0 {
                    return Ok(brought);
                }
                span.start = part.end;
            }
        }
        *search = Search::default();
        Ok(0)
    }

    /// Brings the first pages of `part` that are away.
    fn bring_part(&mut self, part: PageRange, most: usize, search: &mut Search) -> Result<u64, PagerError> {
        let mut from = None;
        let mut found: Vec<(PageNumber, Option<SlotRef>)> = Vec::new();
        let mut copies: Vec<PageNumber> = Vec::new();
        let me = self.me;
        self.table.scan(part, |page, entry| {
            if entry.is_resident_on(me) && entry.is_clean() && copies.len() < most {
                copies.push(page);
            }
            let slot = entry.slot().filter(|slot| entry.state() == State::Remote && slot.node != me);
            let owner = (entry.state() == State::Resident && entry.owner() != me).then_some(entry.owner());
            let Some(node) = slot.map(|slot| slot.node).or(owner).filter(|_| !entry.noread()) else {
                return;
            };
            // All from one node, and all in slots or all resident there.
            if found.len() < most && *from.get_or_insert((node, slot.is_some())) == (node, slot.is_some()) {
                found.push((page, slot));
            }
        });
        let (Some((node, in_slots)), Some((first, _))) = (from, found.first().copied()) else {
            copies.iter().try_for_each(|page| self.make_dirty(*page))?;
            return Ok(copies.len() as u64);
        };
        let pages: Vec<(PageNumber, SlotRef)> =
            found.iter().filter_map(|(page, slot)| Some((*page, (*slot)?))).collect();
        let (brought, last) = if in_slots {
            (self.move_out_of_slots(node, &pages, Bound::Here)? as u64, pages[pages.len() - 1].0)
        } else {
            let run = found.iter().zip(first.0..).take_while(|((page, _), number)| page.0 == *number).count() as u64;
            let run = run.min(RUN_PAGES_MAX);
            (self.move_out_of_memory(node, first, run, Bound::Here)?, PageNumber(first.0 + run - 1))
        };
        self.counters.brought_home += brought;
        // Pages of other nodes in between are found in the next round.
        search.at = last.next();
        Ok(brought)
    }
}
