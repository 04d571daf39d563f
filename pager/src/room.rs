//! Room: on this node for pages that come, and in slots elsewhere for those that go.

use eos_verbs::NodeId;

use crate::entry::SlotRef;
use crate::error::PagerError;
use crate::page::{PAGE_SIZE, PageNumber};
use crate::pager::{EVICTION_BATCH, Pager};

/// What a peer grants at once, as far as placement is concerned.
const SLAB_PAGES: u64 = 16384;

impl Pager {
    /// Makes sure that `pages` more pages may become resident here.
    ///
    /// # Errors
    /// No node has room, or the wire failed.
    pub fn make_room(&mut self, pages: u64) -> Result<(), PagerError> {
        let made = self.try_make_room(pages)? || self.ask_again(pages)?;
        if made { Ok(()) } else { Err(self.full()) }
    }

    /// The last resort: nodes that have turned a request for memory down may have got some back from others since. What they ask back
    /// is still lent.
    fn ask_again(&mut self, pages: u64) -> Result<bool, PagerError> {
        self.keep_all();
        self.nodes[NodeId::HOME.index() + 1..].iter_mut().for_each(|book| book.exhausted = false);
        self.try_make_room(pages)
    }

    /// Makes room as far as there is any. Returns whether `pages` may come.
    fn try_make_room(&mut self, pages: u64) -> Result<bool, PagerError> {
        if self.native_pages > 0 && self.lacks(pages) > 0 {
            self.adopt_native()?;
        }
        if self.lacks(pages) > 0 {
            self.stretch_now()?;
        }
        let mut tried = 0;
        while self.lacks(pages) > 0 {
            if self.me != NodeId::HOME && !self.here().exhausted && self.lease(self.me)? {
                continue;
            }
            let before = self.held(self.me);
            let batch = (self.lacks(pages) as usize).max(EVICTION_BATCH).min(self.held(self.me) as usize / 4 + 1);
            self.evict(batch)?;
            if self.held(self.me) < before || self.reclaim_clean_slots()? {
                tried = 0;
                continue;
            }
            // These victims found no slot.
            self.mix_queues();
            tried += batch.min(EVICTION_BATCH);
            if tried > self.queues.len() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Makes room for a run, or for its first page alone if there is no more: the neighbours are only a guess, which the
    /// program must not die of. Returns how many pages may come; 0 if not even one.
    pub(crate) fn make_room_for_run(&mut self, pages: u64) -> Result<u64, PagerError> {
        if self.try_make_room(pages)? {
            return Ok(pages);
        }
        let one = (pages > 1 && self.try_make_room(1)?) || self.ask_again(1)?;
        Ok(u64::from(one))
    }

    /// Pages that must go before `pages` more may come.
    pub(crate) fn lacks(&mut self, pages: u64) -> u64 {
        let wanted = self.held(self.me) + self.native_pages + pages;
        wanted.saturating_sub(self.here().limit)
    }

    /// Up to `want` consecutive slots on the node where the page's neighbours are, or should be; `None` if all are taken.
    pub(crate) fn take_slots(&mut self, page: PageNumber, want: u64) -> Result<Option<(SlotRef, u32)>, PagerError> {
        loop {
            let Some(node) = self.affinity.choose(page.chunk(), &self.rooms()) else {
                return Ok(None);
            };
            let node = NodeId(node);
            let want = want.min(self.room(node)).min(u64::from(u32::MAX)) as u32;
            if want > 0
                && let Some((index, count)) = self.slots[node.index()].alloc_run(want)
            {
                self.affinity.note(page.chunk(), node.0);
                return Ok(Some((SlotRef { node, index }, count)));
            }
            if node == NodeId::HOME || !self.lease(node)? {
                self.nodes[node.index()].exhausted = true;
            }
        }
    }

    /// Frees some slots that only hold copies of clean resident pages, all of which are in the queues. Returns whether there
    /// were any.
    fn reclaim_clean_slots(&mut self) -> Result<bool, PagerError> {
        let mut clean = std::mem::take(&mut self.victims);
        clean.clear();
        let is_clean = |page: &PageNumber| {
            let entry = self.table.load(*page);
            entry.is_resident_on(self.me) && entry.is_clean()
        };
        clean.extend(self.queues.iter().map(PageNumber).filter(is_clean).take(EVICTION_BATCH));
        let outcome = clean.iter().try_for_each(|page| self.make_dirty(*page));
        let any = !clean.is_empty();
        self.victims = clean;
        outcome.map(|()| any)
    }

    /// Whether, as far as is known, no node can take a page that has no slot, nor can this one get more memory.
    pub(crate) fn is_full(&mut self) -> bool {
        // What is asked back may be kept, in the last resort.
        if self.stretch.is_some() || self.nodes.iter().any(|book| book.owed > 0) {
            return false;
        }
        let no_more_here = self.native_pages == 0 && (self.me == NodeId::HOME || self.here().exhausted);
        no_more_here && self.rooms().iter().all(|room| *room == 0)
    }

    /// Pages that each other node can take.
    fn rooms(&self) -> [u32; eos_policy::NODES] {
        std::array::from_fn(|node| {
            let other = node < self.nodes.len() && node != self.me.index();
            if other { self.room_at(NodeId(node as u8)) } else { 0 }
        })
    }

    /// Pages that a node can take; a peer whose lease is used up may still grant a slab, and one that asks for memory gets no more pages.
    fn room_at(&self, node: NodeId) -> u32 {
        if self.nodes[node.index()].owed > 0 {
            return 0;
        }
        let exhausted = self.nodes[node.index()].exhausted || node == NodeId::HOME;
        let room = self.room(node) + if exhausted { 0 } else { SLAB_PAGES };
        u32::try_from(room).unwrap_or(u32::MAX)
    }

    pub(crate) fn full(&self) -> PagerError {
        let peers = self.nodes.iter().enumerate().filter(|(node, _)| *node != self.me.index());
        let words: Vec<String> = peers.map(|(_, book)| format!("{} is full", book.name)).collect();
        let here = &self.nodes[self.me.index()];
        PagerError::Full {
            node: here.name.clone(),
            limit_mib: (here.limit * PAGE_SIZE) >> 20,
            peers: if words.is_empty() { "there are no peers".into() } else { words.join(", ") },
        }
    }
}
