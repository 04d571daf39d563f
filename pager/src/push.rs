//! Push: cold pages leave for the region of a peer, so that the budget holds.
//!
//! Victims come from the second-chance ring in batches. Neighbours go together: one WRITE for a run of pages into
//! consecutive slots, one `MADV_DONTNEED`. A clean page is only dropped, a page of zeros is forgotten.
//!
//! The order of one push: the entry says Pushing, the bytes go out, the mapping is dropped, the entry says Remote.
//! Nothing is write-protected first: the one app thread stands in this very trap, so nobody can write. With more threads
//! the protection must come before the copy, as the loom model has it.

use eos_policy::clock::Verdict;
use eos_verbs::NodeId;

use crate::entry::{Entry, SlotRef, State};
use crate::error::PagerError;
use crate::kernel;
use crate::page::{PAGE_SIZE, PageNumber, PageRange};
use crate::pager::{EVICTION_BATCH, Pager};
use crate::protocol;

/// What a peer grants at once, as far as placement is concerned.
const SLAB_PAGES: u64 = 16384;

impl Pager {
    /// Makes sure that `pages` more pages may become resident here.
    ///
    /// # Errors
    /// No node has room, or the wire failed.
    pub fn make_room(&mut self, pages: u64) -> Result<(), PagerError> {
        if self.native_pages > 0 && self.lacks(pages) > 0 {
            self.adopt_native()?;
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
            // These victims found no slot; pages that need none may be elsewhere in the ring.
            tried += batch.min(EVICTION_BATCH);
            if tried > self.clock.len() {
                return Err(self.full());
            }
        }
        Ok(())
    }

    /// Makes room for a run, or for its first page alone if there is no more: the neighbours are only a guess, which the
    /// program must not die of. Returns how many pages may come.
    pub(crate) fn make_room_for_run(&mut self, pages: u64) -> Result<u64, PagerError> {
        match self.make_room(pages) {
            Err(PagerError::Full { .. }) if pages > 1 => self.make_room(1).map(|()| 1),
            outcome => outcome.map(|()| pages),
        }
    }

    /// Pages that must go before `pages` more may come.
    fn lacks(&mut self, pages: u64) -> u64 {
        let wanted = self.held(self.me) + self.native_pages + pages;
        wanted.saturating_sub(self.here().limit)
    }

    /// Moves up to `count` cold pages out of this node. Also what the torture mode calls at random.
    ///
    /// # Errors
    /// No node has room, or the wire failed.
    pub fn evict(&mut self, count: usize) -> Result<(), PagerError> {
        let mut victims = std::mem::take(&mut self.victims);
        victims.clear();
        self.choose_victims(count.min(EVICTION_BATCH), &mut victims);
        victims.sort_unstable();
        let outcome = self.push_victims(&victims);
        self.victims = victims;
        outcome
    }

    fn choose_victims(&mut self, count: usize, victims: &mut Vec<PageNumber>) {
        let (table, me, pins) = (&self.table, self.me, &self.pins);
        while victims.len() < count {
            let next = self.clock.next_victim(|page| {
                let page = PageNumber(page);
                let verdict = judge(table.load(page), me, pins.iter().any(|pin| pin.contains(page)));
                match verdict {
                    Verdict::Evict | Verdict::Forget => {
                        let _ = table.update(page, |entry| Some(entry.with_queued(false)));
                    }
                    Verdict::SecondChance => {
                        let _ = table.update(page, |entry| Some(entry.with_referenced(false)));
                    }
                    Verdict::Keep => {}
                }
                verdict
            });
            match next {
                Some(page) => victims.push(PageNumber(page)),
                None => break,
            }
        }
    }

    /// Splits the sorted victims into runs of neighbours that are handled alike. A run that finds no slots goes back to the
    /// ring; the next may need none.
    fn push_victims(&mut self, victims: &[PageNumber]) -> Result<(), PagerError> {
        let mut at = 0;
        while at < victims.len() {
            let kind = self.kind_of(victims[at]);
            let alike = |index: &usize| {
                victims[*index].0 == victims[at].0 + (*index - at) as u64 && self.kind_of(victims[*index]) == kind
            };
            let end = at + 1 + (at + 1..victims.len()).take_while(alike).count();
            let range = PageRange::new(victims[at], victims[end - 1].next());
            let outcome = match kind {
                VictimKind::Dirty => self.push_run(range),
                VictimKind::Unreadable | VictimKind::OwnSlot => self.push_copies(range),
                VictimKind::Clean => self.drop_clean(range),
                VictimKind::Zero => self.forget_zeros(range),
                VictimKind::Replica => self.drop_replicas(range),
            };
            match outcome {
                Err(PagerError::Full { .. }) => range.into_iter().for_each(|page| self.enqueue(page)),
                outcome => outcome?,
            }
            at = end;
        }
        Ok(())
    }

    fn kind_of(&self, page: PageNumber) -> VictimKind {
        let entry = self.table.load(page);
        match entry.state() {
            State::Replica => VictimKind::Replica,
            State::Remote => VictimKind::OwnSlot,
            _ if entry.is_clean() => VictimKind::Clean,
            _ if entry.noread() => VictimKind::Unreadable,
            // SAFETY: the page is resident here and readable, and the app thread stands in this trap.
            _ if kernel::is_zero(unsafe { kernel::bytes(PageRange::single(page)) }) => VictimKind::Zero,
            _ => VictimKind::Dirty,
        }
    }

    /// Pushes dirty neighbours, into as few runs of slots as there are.
    fn push_run(&mut self, range: PageRange) -> Result<(), PagerError> {
        let mut next = range.start;
        while next < range.end {
            let (slot, count) = self.take_slots(next, range.end.0 - next.0)?;
            let run = PageRange::new(next, PageNumber(next.0 + u64::from(count)));
            for (page, index) in run.into_iter().zip(slot.index..) {
                let claimed = protocol::begin_push(self.table.cell(page), self.me, SlotRef { index, ..slot });
                debug_assert!(claimed.is_ok(), "a victim is a dirty resident page");
            }
            // SAFETY: the pages are resident, readable and, with one app thread in this trap, written by nobody.
            let bytes = unsafe { kernel::bytes(run) };
            let link = self.links[slot.node.0 as usize].as_mut().expect("a node with slots is joined");
            link.post_write(slot.offset(), bytes)?;
            self.left(run)?;
            self.counters.pushes += u64::from(count);
            next = run.end;
        }
        Ok(())
    }

    /// Pushes pages whose bytes cannot be read in place: `PROT_NONE` ones, and those in this node's own slots.
    fn push_copies(&mut self, range: PageRange) -> Result<(), PagerError> {
        for page in range {
            let (slot, _) = self.take_slots(page, 1)?;
            let entry = self.table.load(page);
            let mut copy = [0_u8; PAGE_SIZE as usize];
            let from_own_slot = entry.slot();
            match from_own_slot {
                // SAFETY: the slot lies in this node's region, and it is this page's.
                Some(own) => unsafe {
                    let source = self.region.base().wrapping_add(own.offset() as usize);
                    copy.as_mut_ptr().copy_from_nonoverlapping(source, copy.len());
                },
                None => self
                    .own_memory
                    .read(page, &mut copy)
                    .map_err(|source| self.kernel("reading /proc/self/mem", source))?,
            }
            self.link(slot.node).post_write(slot.offset(), &copy)?;
            self.counters.pushes += 1;
            if let Some(own) = from_own_slot {
                self.move_slot(page, own, slot);
                continue;
            }
            let claimed = protocol::begin_push(self.table.cell(page), self.me, slot);
            debug_assert!(claimed.is_ok(), "a victim is a dirty resident page");
            self.left(PageRange::single(page))?;
        }
        Ok(())
    }

    /// A page changes from one slot to another without becoming resident.
    fn move_slot(&mut self, page: PageNumber, from: SlotRef, to: SlotRef) {
        let cell = self.table.cell(page);
        if protocol::begin_pull(cell, self.me).is_ok() {
            protocol::finish_pull(cell, self.me, false);
            let claimed = protocol::begin_push(cell, self.me, to);
            debug_assert!(claimed.is_ok(), "the page was just taken over");
            protocol::finish_push(cell);
        }
        self.free_slot(from);
        self.region.discard(from.offset() as usize, PAGE_SIZE as usize);
        self.note(page);
    }

    /// Clean pages: their slots still hold the same bytes.
    fn drop_clean(&mut self, range: PageRange) -> Result<(), PagerError> {
        for page in range {
            let claimed = protocol::begin_drop(self.table.cell(page), self.me);
            debug_assert!(claimed.is_ok(), "the victim is clean");
        }
        self.counters.clean_drops += range.count();
        self.left(range)
    }

    /// The mapping goes; the slot is where the pages are now.
    fn left(&mut self, range: PageRange) -> Result<(), PagerError> {
        kernel::drop_pages(range).map_err(|source| self.kernel("dropping pages", source))?;
        for page in range {
            protocol::finish_push(self.table.cell(page));
            self.note(page);
        }
        self.here().resident -= range.count();
        Ok(())
    }

    /// Pages of zeros need no slot: the next touch fills them with zeros again.
    fn forget_zeros(&mut self, range: PageRange) -> Result<(), PagerError> {
        self.counters.zero_drops += range.count();
        self.forget(range)?;
        range.into_iter().for_each(|page| self.note(page));
        Ok(())
    }

    /// Replicas concern this node only: noted, another node would take its own for gone.
    fn drop_replicas(&mut self, range: PageRange) -> Result<(), PagerError> {
        self.forget(range)
    }

    fn forget(&mut self, range: PageRange) -> Result<(), PagerError> {
        kernel::drop_pages(range).map_err(|source| self.kernel("dropping pages", source))?;
        for page in range {
            let _ = self.table.update(page, |entry| Some(entry.cleared()));
        }
        self.here().resident -= range.count();
        Ok(())
    }

    /// Up to `want` consecutive slots on the node where the page's neighbours are, or should be.
    fn take_slots(&mut self, page: PageNumber, want: u64) -> Result<(SlotRef, u32), PagerError> {
        loop {
            let rooms: [u32; eos_policy::NODES] = std::array::from_fn(|node| {
                let other = node < self.nodes.len() && node != self.me.0 as usize;
                if other { self.room_at(NodeId(node as u8)) } else { 0 }
            });
            let Some(node) = self.affinity.choose(page.chunk(), &rooms) else {
                return Err(self.full());
            };
            let node = NodeId(node);
            let want = want.min(self.room(node)).min(u64::from(u32::MAX)) as u32;
            if want > 0
                && let Some((index, count)) = self.slots[node.0 as usize].alloc_run(want)
            {
                self.affinity.note(page.chunk(), node.0);
                return Ok((SlotRef { node, index }, count));
            }
            if node == NodeId::HOME || !self.lease(node)? {
                self.nodes[node.0 as usize].exhausted = true;
            }
        }
    }

    /// Frees slots that only hold copies of clean resident pages. Returns whether there were any.
    fn reclaim_clean_slots(&mut self) -> Result<bool, PagerError> {
        const ENOUGH: usize = 1024;
        let mut clean = Vec::new();
        self.table.scan(PageRange::APP, |page, entry| {
            if clean.len() < ENOUGH && entry.is_resident_on(self.me) && entry.is_clean() {
                clean.push(page);
            }
        });
        for &page in &clean {
            self.make_dirty(page)?;
        }
        Ok(!clean.is_empty())
    }

    /// Pages that a node can take; a peer whose lease is used up may still grant a slab.
    fn room_at(&self, node: NodeId) -> u32 {
        let exhausted = self.nodes[node.0 as usize].exhausted || node == NodeId::HOME;
        let room = self.room(node) + if exhausted { 0 } else { SLAB_PAGES };
        u32::try_from(room).unwrap_or(u32::MAX)
    }

    fn full(&self) -> PagerError {
        let peers = self.nodes.iter().enumerate().filter(|(node, _)| *node != self.me.0 as usize);
        let words: Vec<String> = peers.map(|(_, book)| format!("{} is full", book.name)).collect();
        let here = &self.nodes[self.me.0 as usize];
        PagerError::Full {
            node: here.name.clone(),
            limit_mib: (here.limit * PAGE_SIZE) >> 20,
            peers: if words.is_empty() { "there are no peers".into() } else { words.join(", ") },
        }
    }
}

/// How a victim leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum VictimKind {
    Dirty,
    Unreadable,
    OwnSlot,
    Clean,
    Zero,
    Replica,
}

/// What the ring does with a page.
fn judge(entry: Entry, me: NodeId, pinned: bool) -> Verdict {
    let in_own_slot = entry.state() == State::Remote && entry.slot().is_some_and(|slot| slot.node == me);
    let here = entry.is_resident_on(me) || entry.state() == State::Replica;
    if !here && !in_own_slot {
        Verdict::Forget
    } else if pinned {
        Verdict::Keep
    } else if here && entry.referenced() {
        Verdict::SecondChance
    } else {
        Verdict::Evict
    }
}
