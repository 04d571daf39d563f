//! Push: cold pages leave for the region of a peer, so that the budget holds.
//!
//! Victims come in batches. Neighbours go together: one WRITE for a run of pages into consecutive slots, and the WRITEs of a batch are posted
//! by one call. The mappings of the whole
//! batch are dropped by one call. A clean page is only dropped, a page of zeros is forgotten: it never crosses the wire, and its
//! entry, Absent, says that the next touch fills it with zeros.
//!
//! The order of one push: the page is write-protected, the entry says Pushing, the bytes go out, the mapping is dropped, the
//! entry says Remote. Each step is done for the whole batch before the next. The protection is left out while the program has one thread, which stands in this very trap, so that nobody
//! can write. With more, one that writes meanwhile traps, waits for this thread, and finds the page gone.

use crate::entry::{SlotRef, State};
use crate::error::PagerError;
use crate::kernel;
use crate::many;
use crate::page::{PAGE_SIZE, PageNumber, PageRange};
use crate::pager::{EVICTION_BATCH, Pager};
use crate::protocol;
use crate::uffd::Protection;

impl Pager {
    /// Splits the sorted victims into runs of neighbours that are handled alike. Pages that find no slots go back to
    /// the queues; the next may need none.
    pub(crate) fn push_victims(&mut self, victims: &[PageNumber]) -> Result<(), PagerError> {
        if self.several_threads {
            self.protect_victims(victims)?;
        }
        self.going.clear();
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
                VictimKind::Clean => self.drop_clean(range),
                VictimKind::Zero => self.forget_zeros(range),
                VictimKind::Replica => self.goes(range),
            };
            PageRange::new(gone_to, range.end).into_iter().for_each(|page| self.enqueue(page));
            at = end;
        }
        self.let_go()
    }

    /// From here on nobody writes to the victims. One that then finds no slot stays protected until its next write.
    fn protect_victims(&self, victims: &[PageNumber]) -> Result<(), PagerError> {
        let mapped = |page: &&PageNumber| self.table.load(**page).is_resident_on(self.me);
        let mut pages = victims.iter().filter(mapped).copied().peekable();
        while let Some(first) = pages.next() {
            let mut end = first.next();
            while let Some(page) = pages.next_if_eq(&end) {
                end = page.next();
            }
            self.uffd
                .write_protect(PageRange::new(first, end), Protection::WriteProtected)
                .map_err(|source| self.kernel("write-protecting pages", source))?;
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
            // SAFETY: the page is resident here and readable, and protected or the only thread's, which stands in this trap.
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
            self.outgoing.push((slot, run));
            self.see_push(run, slot.node);
            self.counters.pushes += u64::from(count);
            next = self.goes(run);
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
            self.goes(PageRange::single(page));
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
    fn drop_clean(&mut self, range: PageRange) -> PageNumber {
        for page in range {
            let claimed = protocol::begin_drop(self.table.cell(page), self.me);
            debug_assert!(claimed.is_ok(), "the victim is clean");
        }
        self.counters.clean_drops += range.count();
        self.goes(range)
    }

    /// Pages of zeros need no slot: the next touch fills them with zeros again.
    fn forget_zeros(&mut self, range: PageRange) -> PageNumber {
        self.counters.zero_drops += range.count();
        self.goes(range)
    }

    /// The mapping of these victims is to be dropped with that of the others. Victims come in ascending order.
    fn goes(&mut self, range: PageRange) -> PageNumber {
        match self.going.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.going.push(range),
        }
        range.end
    }

    /// The bytes of the batch go out, those to one node together.
    fn post_outgoing(&mut self) -> Result<(), PagerError> {
        let outgoing = std::mem::take(&mut self.outgoing);
        let posted = outgoing.chunk_by(|(one, _), (next, _)| one.node == next.node).try_for_each(|runs| {
            let link = self.links[runs[0].0.node.index()].as_mut().expect("a node with slots is joined");
            runs.chunks(EVICTION_BATCH).try_for_each(|runs| {
                let mut writes = [(0, &[][..]); EVICTION_BATCH];
                for (write, (slot, run)) in writes.iter_mut().zip(runs) {
                    // SAFETY: the pages are resident, readable, and protected or the only thread's, which stands in this trap; their
                    // mapping is dropped after this.
                    *write = (slot.offset(), unsafe { kernel::bytes(*run) });
                }
                link.post_writes(&writes[..runs.len()])
            })
        });
        self.outgoing = outgoing;
        self.outgoing.clear();
        Ok(posted?)
    }

    /// The mappings go. What was pushed is in its slot now; what needs none has no copy any more.
    fn let_go(&mut self) -> Result<(), PagerError> {
        self.post_outgoing()?;
        let going = std::mem::take(&mut self.going);
        let outcome = many::drop_ranges(&going).map_err(|source| self.kernel("dropping pages", source));
        if outcome.is_ok() {
            for page in going.iter().copied().flatten() {
                self.is_gone(page);
            }
        }
        self.going = going;
        outcome
    }

    fn is_gone(&mut self, page: PageNumber) {
        let cell = self.table.cell(page);
        let state = protocol::load(cell).state();
        if state == State::Pushing {
            protocol::finish_push(cell);
        } else {
            let _ = protocol::update(cell, |entry| Some(entry.cleared()));
        }
        // Replicas concern this node only: noted, another node would take its own for gone.
        if state != State::Replica {
            self.note(page);
        }
        self.here().resident -= 1;
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
