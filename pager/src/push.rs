//! Push: cold pages leave for the region of a peer, so that the budget holds.
//!
//! Victims come in batches. Neighbours go together: one WRITE for a run of pages into consecutive slots, one
//! `MADV_DONTNEED`. A clean page is only dropped, a page of zeros is forgotten.
//!
//! The order of one push: the entry says Pushing, the bytes go out, the mapping is dropped, the entry says Remote.
//! Nothing is write-protected first: the one app thread stands in this very trap, so nobody can write. With more threads
//! the protection must come before the copy, as the loom model has it.

use crate::entry::{SlotRef, State};
use crate::error::PagerError;
use crate::kernel;
use crate::page::{PAGE_SIZE, PageNumber, PageRange};
use crate::pager::Pager;
use crate::protocol;

impl Pager {
    /// Splits the sorted victims into runs of neighbours that are handled alike. Pages that find no slots go back to
    /// the ring; the next may need none.
    pub(crate) fn push_victims(&mut self, victims: &[PageNumber]) -> Result<(), PagerError> {
        let mut at = 0;
        while at < victims.len() {
            let kind = self.kind_of(victims[at]);
            let alike = |index: &usize| {
                victims[*index].0 == victims[at].0 + (*index - at) as u64 && self.kind_of(victims[*index]) == kind
            };
            let end = at + 1 + (at + 1..victims.len()).take_while(alike).count();
            let range = PageRange::new(victims[at], victims[end - 1].next());
            let gone_to = match kind {
                VictimKind::Dirty => self.push_run(range)?,
                VictimKind::Unreadable | VictimKind::OwnSlot => self.push_copies(range)?,
                VictimKind::Clean => self.drop_clean(range).map(|()| range.end)?,
                VictimKind::Zero => self.forget_zeros(range).map(|()| range.end)?,
                VictimKind::Replica => self.drop_replicas(range).map(|()| range.end)?,
            };
            PageRange::new(gone_to, range.end).into_iter().for_each(|page| self.enqueue(page));
            at = end;
        }
        Ok(())
    }

    /// Whether the victim cannot leave without a slot elsewhere.
    pub(crate) fn needs_slot(&self, victim: PageNumber) -> bool {
        matches!(self.kind_of(victim), VictimKind::Dirty | VictimKind::Unreadable | VictimKind::OwnSlot)
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

    /// Pushes dirty neighbours, into as few runs of slots as there are. Returns the first that found none, or the end.
    fn push_run(&mut self, range: PageRange) -> Result<PageNumber, PagerError> {
        let mut next = range.start;
        while next < range.end {
            let Some((slot, count)) = self.take_slots(next, range.end.0 - next.0)? else {
                break;
            };
            let run = PageRange::new(next, PageNumber(next.0 + u64::from(count)));
            for (page, index) in run.into_iter().zip(slot.index..) {
                let claimed = protocol::begin_push(self.table.cell(page), self.me, SlotRef { index, ..slot });
                debug_assert!(claimed.is_ok(), "a victim is a dirty resident page");
            }
            // SAFETY: the pages are resident, readable and, with one app thread in this trap, written by nobody.
            let bytes = unsafe { kernel::bytes(run) };
            let link = self.links[slot.node.index()].as_mut().expect("a node with slots is joined");
            link.post_write(slot.offset(), bytes)?;
            self.left(run)?;
            self.counters.pushes += u64::from(count);
            next = run.end;
        }
        Ok(next)
    }

    /// Pushes pages whose bytes cannot be read in place: NOREAD ones, and those in this node's own slots.
    /// Returns the first that found no slot, or the end.
    fn push_copies(&mut self, range: PageRange) -> Result<PageNumber, PagerError> {
        for page in range {
            let Some((slot, _)) = self.take_slots(page, 1)? else {
                return Ok(page);
            };
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
        Ok(range.end)
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
