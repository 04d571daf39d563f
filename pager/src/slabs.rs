//! Slabs: what a peer lends of its memory at a time, and gets back when nothing is in it.
//!
//! The lender says which slots a slab has; it alone knows what it has lent, and lends nothing twice. The node that executes asks for slabs
//! and gives them back, and a jump carries which slots of each node are lent. Invariant, on the node that executes: every slot that is
//! taken is lent; what it takes for lent the lender does. The other way round a message may be under way: giving back is told and not answered.
//!
//! Messages (little endian): `LEASE` tag u8; `LEASE_REPLY` tag u8, first slot u64, number of slots u64, 0 if there is nothing to lend.
//! `GIVE_BACK` tag u8, first slot u64, number of slots u64; no answer.

use std::ops::Range;

use eos_verbs::{NodeId, TransportKind};

use crate::demand::Progress;
use crate::error::PagerError;
use crate::pager::Pager;

/// First byte of a message that asks for another slab.
pub const LEASE: u8 = 3;
/// First byte of the answer.
pub const LEASE_REPLY: u8 = 4;
/// First byte of a message that gives a slab back.
pub const GIVE_BACK: u8 = 5;

/// What a message about a slab says after its first byte.
const SLAB_BYTES: usize = 16;

/// What this node's region lends to the run. Called in trap handlers: neither call allocates.
pub trait Lender: Send {
    /// One more slab: its slots, all of whose bytes may be used. `None` if there is no more memory, for the present.
    fn lend(&mut self) -> Option<Range<u32>>;

    /// A slab that nobody uses any more. False, and nothing changes, if these slots are not a slab that was lent.
    fn take_back(&mut self, slab: Range<u32>) -> bool;

    /// Slabs of those that are lent that are wanted back, by whoever the memory belongs to.
    fn owed(&self) -> u32 {
        0
    }

    /// All that is lent is wanted back, and nothing is lent any more; or that has come to an end.
    fn retire(&mut self, _: bool) {}

    /// How the node that executes gets on with giving them.
    fn hears(&mut self, _: Progress) {}
}

/// Lends nothing: home, whose slots are part of its budget.
pub struct LendsNothing;

impl Lender for LendsNothing {
    fn lend(&mut self) -> Option<Range<u32>> {
        None
    }

    fn take_back(&mut self, _: Range<u32>) -> bool {
        false
    }
}

impl Pager {
    /// Asks `node` for another slab. Returns whether it gave one.
    pub(crate) fn lease(&mut self, node: NodeId) -> Result<bool, PagerError> {
        let granted = if node == self.me {
            self.lender.lend()
        } else {
            self.link(node).send(&[&[LEASE]])?;
            let slab = read_slab(&self.wait_reply(node, LEASE_REPLY)?[1..]);
            slab.ok_or_else(|| self.nonsense(node, "grant of memory"))?
        };
        let book = &mut self.nodes[node.index()];
        book.exhausted = granted.is_none();
        let Some(slab) = granted else {
            return Ok(false);
        };
        let pages = u64::from(slab.end - slab.start);
        if !self.slots[node.index()].lend(slab) {
            return Err(self.nonsense(node, "grant of memory"));
        }
        let book = &mut self.nodes[node.index()];
        book.limit += pages;
        book.slab = book.slab.max(pages);
        Ok(true)
    }

    pub(crate) fn serve_lease(&mut self, from: NodeId, message: &[u8]) -> Result<(), PagerError> {
        if message.len() > 1 {
            return Err(self.nonsense(from, "request for memory"));
        }
        let granted = self.lender.lend().unwrap_or(0..0);
        self.link(from).send(&[&[LEASE_REPLY], &slab_bytes(&granted)])?;
        Ok(())
    }

    pub(crate) fn serve_give_back(&mut self, from: NodeId, message: &[u8]) -> Result<(), PagerError> {
        let slab = read_slab(&message[1..]).flatten();
        let taken = slab.is_some_and(|slab| self.lender.take_back(slab));
        if taken { Ok(()) } else { Err(self.nonsense(from, "return of memory")) }
    }

    /// Slabs of `node` that could be given back now: all their slots are free, and what is resident there fits without them.
    #[must_use]
    pub fn free_slabs(&self, node: NodeId) -> u32 {
        let spare = self.room(node).checked_div(self.nodes[node.index()].slab).unwrap_or(0);
        let free = if spare == 0 || !self.takes_back(node) { 0 } else { self.slabs_without_pages(node).count() as u64 };
        free.min(spare) as u32
    }

    /// Gives the last of these slabs back. Returns whether there was one.
    ///
    /// WRITEs to it are placed before the message comes. What was read ahead from it may still be kept, as for any slot that is free: whoever
    /// takes the slot again writes to it before anybody reads it.
    ///
    /// # Errors
    /// The wire failed.
    pub fn give_slab_back(&mut self, node: NodeId) -> Result<bool, PagerError> {
        if self.free_slabs(node) == 0 {
            return Ok(false);
        }
        let Some(slab) = self.slabs_without_pages(node).last() else {
            return Ok(false);
        };
        let pages = u64::from(slab.end - slab.start);
        self.nodes[node.index()].limit -= pages;
        self.return_slab(node, slab)?;
        Ok(true)
    }

    /// Gives a slab back that is free and no part of the node's limit any more.
    pub(crate) fn return_slab(&mut self, node: NodeId, slab: Range<u32>) -> Result<(), PagerError> {
        let pages = u64::from(slab.end - slab.start);
        let unlent = self.slots[node.index()].unlend(slab.clone());
        debug_assert!(unlent, "the slab was lent and free");
        if node == self.me {
            let taken = self.lender.take_back(slab);
            debug_assert!(taken, "the slab was lent by this node");
        } else {
            self.link(node).send(&[&[GIVE_BACK], &slab_bytes(&slab)])?;
        }
        let book = &mut self.nodes[node.index()];
        book.exhausted = false;
        book.owed = book.owed.saturating_sub(1);
        self.counters.given_back += pages;
        Ok(())
    }

    /// A device goes on using the memory that it has registered, so that a slab is of no use to anybody else. Home lends nothing.
    pub(crate) fn takes_back(&self, node: NodeId) -> bool {
        let pinned = self.links.iter().flatten().any(|link| link.transport() == TransportKind::Rdma);
        node != NodeId::HOME && !pinned
    }

    fn slabs_without_pages(&self, node: NodeId) -> impl Iterator<Item = Range<u32>> + '_ {
        let slots = &self.slots[node.index()];
        self.lent_slabs(node).filter(|slab| *slab != slots.closed() && slots.is_free(slab.clone()))
    }

    /// Slabs lie side by side from slot 0 on; the last may be smaller.
    pub(crate) fn lent_slabs(&self, node: NodeId) -> impl Iterator<Item = Range<u32>> + '_ {
        let slots = &self.slots[node.index()];
        let slab = (self.nodes[node.index()].slab as usize).max(1);
        slots.lent().iter().flat_map(move |lent| {
            lent.clone().step_by(slab).map(move |first| first..lent.end.min(first.saturating_add(slab as u32)))
        })
    }
}

fn slab_bytes(slab: &Range<u32>) -> [u8; SLAB_BYTES] {
    let numbers = [u64::from(slab.start), u64::from(slab.end - slab.start)].map(u64::to_le_bytes);
    std::array::from_fn(|at| numbers[at / 8][at % 8])
}

/// `Some(None)`: no slab. `None`: it makes no sense; slots are numbered with 32 bits.
#[allow(clippy::option_option)]
fn read_slab(bytes: &[u8]) -> Option<Option<Range<u32>>> {
    let bytes = <[u8; SLAB_BYTES]>::try_from(bytes).ok()?;
    let (first, count) = bytes.split_at(8);
    let [first, count] = [first, count].map(|half| u64::from_le_bytes(half.try_into().expect("eight bytes")));
    let end = u32::try_from(first.checked_add(count)?).ok()?;
    Some((count > 0).then_some(first as u32..end))
}
