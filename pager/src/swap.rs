//! Swap: a pull while this node and every slot elsewhere are full. The victim goes where the page comes from, so that a
//! program whose pages fill everything to the last one runs on.
//!
//! The order: the page's bytes come into the bounce buffer, its place is free, the victim is pushed there, the page is
//! mapped. What is held anywhere never grows, not even for a moment.

use eos_verbs::NodeId;

use crate::entry::SlotRef;
use crate::error::PagerError;
use crate::page::{PAGE_SIZE, PageNumber, PageRange};
use crate::pager::Pager;
use crate::protocol;
use crate::uffd::Protection;

/// How pages that are pulled get room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Room {
    /// So many pages may come.
    Pages(u64),
    /// There is none. One page may come, whose place this one takes: a victim that needs a slot, and has left the queues.
    Swap(PageNumber),
}

impl Pager {
    /// Room for a pull of `pages`, or for its first page alone if there is no more.
    pub(crate) fn room_for_pull(&mut self, pages: u64) -> Result<Room, PagerError> {
        // Passing all pages in vain, and giving up slots of clean pages, is for those who cannot swap.
        if self.lacks(1) == 0 || !self.is_full() {
            let room = self.make_room_for_run(pages)?;
            if room > 0 {
                return Ok(Room::Pages(room));
            }
        }
        let Some(victim) = self.choose_victim() else {
            return Err(self.full());
        };
        if self.needs_slot(victim) {
            return Ok(Room::Swap(victim));
        }
        self.push_victims(&[victim])?;
        Ok(Room::Pages(1))
    }

    /// Pulls the page out of `slot`, into which the victim goes.
    pub(crate) fn swap_with_slot(
        &mut self,
        page: PageNumber,
        slot: SlotRef,
        victim: PageNumber,
    ) -> Result<(), PagerError> {
        let claimed = protocol::begin_pull(self.table.cell(page), self.me);
        debug_assert!(claimed.is_ok(), "the page is in a slot");
        let link = self.links[slot.node.index()].as_mut().expect("a node with slots is joined");
        self.bounce[..PAGE_SIZE as usize].copy_from_slice(link.read(slot.offset(), PAGE_SIZE as usize)?);
        protocol::hold_bytes(self.table.cell(page), self.me);
        self.free_slot(slot);
        self.finish_swap(page, victim)
    }

    /// Fetches the page that is resident on `owner`, where the victim gets a slot.
    pub(crate) fn swap_with_owner(
        &mut self,
        page: PageNumber,
        owner: NodeId,
        victim: PageNumber,
    ) -> Result<(), PagerError> {
        let range = PageRange::single(page);
        let claimed = protocol::begin_pull(self.table.cell(page), self.me);
        debug_assert!(claimed.is_ok(), "the page is resident on another node");
        let bytes = self.fetch_bytes(owner, range)?;
        self.bounce[..PAGE_SIZE as usize].copy_from_slice(&self.message[bytes]);
        let before = protocol::hold_bytes(self.table.cell(page), self.me);
        if let Some(slot) = before.slot() {
            self.free_slot(slot);
        }
        self.nodes[owner.index()].resident -= 1;
        self.finish_swap(page, victim)
    }

    /// The page is in the bounce buffer, and what it has left is the one free place.
    fn finish_swap(&mut self, page: PageNumber, victim: PageNumber) -> Result<(), PagerError> {
        self.push_victims(&[victim])?;
        if self.is_here(self.table.load(victim)) {
            return Err(self.full());
        }
        self.uffd
            .copy(PageRange::single(page), self.bounce.as_ptr(), Protection::Writable)
            .map_err(|source| self.kernel("installing a page", source))?;
        protocol::finish_pull(self.table.cell(page), self.me, false);
        self.arrived(page);
        self.counters.swaps += 1;
        Ok(())
    }
}
