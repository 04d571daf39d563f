//! Draining: a slab that a peer wants back is emptied, page by page, and given back. The pages go to this node or to other peers, as
//! far as these have room.
//!
//! The slab is *closed* first: none of its slots is taken any more, and it is no part of the peer's limit. Invariants, on the node that
//! executes, between any two steps:
//!
//! - a slab that is closed is lent; the pages in it are where their entries say, and can be read, written and freed as any other;
//! - what a peer holds is at most its limit and what is still in its closed slab;
//! - nothing is pushed to a peer that is owed slabs;
//! - a slab goes back only when none of its slots is taken and what else is there fits the limit.
//!
//! What is closed travels with a jump; the list of pages does not, and is made anew. No node executes in memory that is closed. Where
//! nobody has room the slab is opened again: the pages that have moved stay moved, the others stay.

use std::ops::Range;

use eos_verbs::NodeId;

use crate::entry::{Entry, SlotRef, State};
use crate::error::PagerError;
use crate::page::{PageNumber, PageRange};
use crate::pager::Pager;
use crate::transit::{Bound, TRANSIT_MAX};

/// What one step came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Drained {
    /// Pages have moved, or were found; there is more to do.
    Moved,
    /// A slab of so many pages has gone back.
    Gave(u64),
    /// Nobody has room: the slab stays.
    NoRoom,
    /// The peer lends nothing.
    Nothing,
}

/// What has still to leave a peer's closed slab, as far as this node has found out.
#[derive(Debug)]
pub struct Drain {
    node: NodeId,
    /// The next one is the last.
    pages: Vec<PageNumber>,
}

impl Drain {
    /// Of a peer.
    #[must_use]
    pub fn of(node: NodeId) -> Self {
        Self { node, pages: Vec::new() }
    }
}

/// What is to be done with a page.
enum Duty {
    /// Its one copy is in the slab.
    Slot(SlotRef),
    /// The slab has a copy of a page that is mapped here.
    CopyOfOurs,
    /// The slab has a copy of a page that is mapped on another node.
    CopyOfTheirs(SlotRef),
    /// It is resident on the peer, which may not keep so much.
    Resident,
    /// It has gone meanwhile.
    None,
}

impl Pager {
    /// One step: moves up to a batch of pages out of `drain`'s node, another one than this, or gives a slab of it back. Between two steps
    /// the program may go on. Call it from a thread that holds the lock and is none of the program's, or in a trap.
    ///
    /// # Errors
    /// The wire failed.
    pub fn drain(&mut self, drain: &mut Drain) -> Result<Drained, PagerError> {
        let node = drain.node;
        debug_assert!(node != self.me && node != NodeId::HOME, "peers are drained, from elsewhere");
        if self.slots[node.index()].closed().is_empty() {
            if self.free_slabs(node) > 0 {
                let before = self.counters.given_back;
                self.give_slab_back(node)?;
                return Ok(Drained::Gave(self.counters.given_back - before));
            }
            drain.pages.clear();
            if !self.close_a_slab(node) {
                return Ok(Drained::Nothing);
            }
        }
        if drain.pages.is_empty() {
            if self.slots[node.index()].closed_used() == 0 && self.excess(node) == 0 {
                return self.give_closed_back(node).map(Drained::Gave);
            }
            drain.pages = self.pages_to_drain(node);
        }
        let batch = drain.pages.split_off(drain.pages.len().saturating_sub(TRANSIT_MAX));
        if batch.is_empty() || !self.drain_batch(node, &batch)? {
            drain.pages.clear();
            self.keep(node);
            return Ok(Drained::NoRoom);
        }
        Ok(Drained::Moved)
    }

    /// The closed slab of `node` is open again.
    pub fn keep(&mut self, node: NodeId) {
        let slots = &mut self.slots[node.index()];
        self.nodes[node.index()].limit += slots.closed().len() as u64;
        slots.open();
    }

    /// Everything that peers ask back is kept for now: this run would end without it.
    pub(crate) fn keep_all(&mut self) {
        for node in 0..self.nodes.len() {
            self.nodes[node].owed = 0;
            self.keep(NodeId(node as u8));
        }
    }

    /// Closes the slab with the fewest pages. False if none is lent.
    fn close_a_slab(&mut self, node: NodeId) -> bool {
        let slots = &self.slots[node.index()];
        let Some(slab) = self.lent_slabs(node).min_by_key(|slab| slots.count_used(slab.clone())) else {
            return false;
        };
        self.nodes[node.index()].limit -= slab.len() as u64;
        self.slots[node.index()].close(slab);
        true
    }

    fn give_closed_back(&mut self, node: NodeId) -> Result<u64, PagerError> {
        let slab = self.slots[node.index()].closed();
        let pages = slab.len() as u64;
        self.return_slab(node, slab)?;
        Ok(pages)
    }

    /// Pages that `node` holds beyond its limit, without its closed slab.
    fn excess(&self, node: NodeId) -> u64 {
        self.held(node).saturating_sub(self.nodes[node.index()].limit)
    }

    /// The pages with slots in the closed slab, and as many resident ones as are too many; the first of them last.
    fn pages_to_drain(&self, node: NodeId) -> Vec<PageNumber> {
        let closed = self.slots[node.index()].closed();
        let excess = self.excess(node) as usize;
        let (mut in_slots, mut resident) = (Vec::new(), Vec::new());
        self.table.scan(PageRange::APP, |page, entry| {
            if in_slab(entry, node, &closed).is_some() {
                in_slots.push(page);
            } else if resident.len() < excess && entry.is_resident_on(node) {
                resident.push(page);
            }
        });
        resident.into_iter().rev().chain(in_slots.into_iter().rev()).collect()
    }

    /// The pages come from the list's end. Returns whether all have gone.
    fn drain_batch(&mut self, node: NodeId, batch: &[PageNumber]) -> Result<bool, PagerError> {
        let mut in_slots = Vec::with_capacity(batch.len());
        let mut at = batch.len();
        while at > 0 {
            at -= 1;
            let page = batch[at];
            match self.duty(node, page) {
                Duty::Slot(slot) => in_slots.push((page, slot)),
                Duty::CopyOfOurs => self.make_dirty(page)?,
                Duty::CopyOfTheirs(slot) => {
                    let _ = self.table.update(page, |entry| Some(entry.without_slot()));
                    self.free_slot(slot);
                    self.note(page);
                }
                Duty::Resident => {
                    let beside = |(index, next): &(usize, &PageNumber)| next.0 == page.0 + 1 + *index as u64;
                    let neighbours = batch[..at].iter().rev().enumerate().take_while(beside);
                    let run = 1 + neighbours.take_while(|(_, next)| self.is_excess(node, **next)).count();
                    let moved = self.move_out_of_memory(node, page, run as u64, Bound::Anywhere)? as usize;
                    if moved == 0 {
                        return Ok(false);
                    }
                    at -= moved - 1;
                }
                Duty::None => {}
            }
        }
        Ok(in_slots.is_empty() || self.move_out_of_slots(node, &in_slots, Bound::Anywhere)? == in_slots.len())
    }

    fn is_excess(&self, node: NodeId, page: PageNumber) -> bool {
        matches!(self.duty(node, page), Duty::Resident)
    }

    fn duty(&self, node: NodeId, page: PageNumber) -> Duty {
        let entry = self.table.load(page);
        match in_slab(entry, node, &self.slots[node.index()].closed()) {
            Some(slot) if entry.state() == State::Remote => Duty::Slot(slot),
            Some(_) if entry.is_resident_on(self.me) => Duty::CopyOfOurs,
            Some(slot) => Duty::CopyOfTheirs(slot),
            None if entry.is_resident_on(node) && self.excess(node) > 0 => Duty::Resident,
            None => Duty::None,
        }
    }
}

/// The slot of a page, if it is one of `node`'s in `slab`.
fn in_slab(entry: Entry, node: NodeId, slab: &Range<u32>) -> Option<SlotRef> {
    entry.slot().filter(|slot| slot.node == node && slab.contains(&slot.index))
}
