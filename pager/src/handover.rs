//! What a jump carries of the pager: the layout operations and page placements that the next node does not know, the
//! books of all nodes, and a few hot pages. Costs what changed, not the size of the memory.

use std::ops::Range;

use eos_verbs::NodeId;

use crate::entry::{Entry, State};
use crate::error::PagerError;
use crate::kernel;
use crate::layout::{Area, Kind, Prot};
use crate::layout_log::{LayoutOp, LayoutTail};
use crate::page::{PAGE_SIZE, PageNumber, PageRange};
use crate::pager::{LEFT_MAX, NodeBook, Pager};
use crate::placement::PlacementRun;
use crate::slots::SlotAllocator;
use crate::uffd::Protection;

/// Runs whose entries are prefetched.
const PREFETCHED_RUNS: usize = 32;

/// What is known of one node, as it travels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Book {
    pub(crate) resident: u64,
    pub(crate) limit: u64,
    pub(crate) exhausted: bool,
    pub(crate) slab: u64,
    pub(crate) owed: u64,
    /// Slots that are closed: first, and one past the last.
    pub(crate) closed: [u32; 2],
}

/// Slots of a node that are lent, as they travel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Lent {
    pub(crate) node: u8,
    pub(crate) slots: Range<u32>,
}

/// The pager's part of a jump.
#[derive(PartialEq, Eq, Debug)]
pub struct Handover {
    pub(crate) books: Vec<Book>,
    /// For each node in turn what is lent of it.
    pub(crate) lent: Vec<Lent>,
    pub(crate) layout: LayoutTail,
    pub(crate) placement: Vec<PlacementRun>,
    /// Pages whose bytes follow the message.
    pub(crate) hot: Vec<u64>,
}

impl Pager {
    /// Prepares the departure of execution to `target`. The bytes of the `hot` pages, as far as they are resident
    /// here, are appended to `pages`, and the pages belong to `target` from now on.
    ///
    /// # Errors
    /// A wire failed: pushed pages must have arrived before anybody else reads them.
    pub fn hand_over(&mut self, target: NodeId, hot: PageRange, pages: &mut Vec<u8>) -> Result<Handover, PagerError> {
        if self.native_pages > 0 || !self.elastic {
            self.adopt_native()?;
        }
        self.changes.prefetch_for(target, &self.table);
        for link in self.links.iter_mut().flatten() {
            link.flush()?;
        }
        let carried = self.give_away(hot, target, pages)?;
        let book = |(book, slots): (&NodeBook, &SlotAllocator)| Book {
            resident: book.resident,
            limit: book.limit,
            exhausted: book.exhausted,
            slab: book.slab,
            owed: book.owed,
            closed: [slots.closed().start, slots.closed().end],
        };
        let lent = (0..)
            .zip(&self.slots)
            .flat_map(|(node, slots)| slots.lent().iter().map(move |slots| Lent { node, slots: slots.clone() }));
        Ok(Handover {
            books: self.nodes.iter().zip(&self.slots).map(book).collect(),
            lent: lent.collect(),
            layout: self.log.tail_for(target, &self.layout),
            placement: self.changes.drain_for(target, &self.table),
            hot: carried,
        })
    }

    /// Moves the resident ones of `hot` into the message, and says which they are. Those that are mapped writable stay so
    /// (see `left`): they are most likely to come back with execution, and then cost a copy instead of two system calls.
    fn give_away(&mut self, hot: PageRange, target: NodeId, pages: &mut Vec<u8>) -> Result<Vec<u64>, PagerError> {
        let mut carried = Vec::with_capacity(hot.count() as usize);
        let mut gone = Runs::default();
        for page in hot {
            let entry = self.table.load(page);
            let slot_there = entry.slot().is_some_and(|slot| slot.node == target);
            if !entry.is_resident_on(self.me) || entry.noread() || slot_there || self.is_pinned(page) {
                continue;
            }
            if let Some(slot) = entry.slot() {
                self.free_slot(slot);
            }
            // SAFETY: the page is resident and readable, and the app thread stands in this trap.
            pages.extend_from_slice(unsafe { kernel::bytes(PageRange::single(page)) });
            self.table.overwrite(page, entry.without_slot().with_owner(target));
            self.here().resident -= 1;
            self.nodes[target.0 as usize].resident += 1;
            self.note(page);
            carried.push(page.0);
            if entry.slot().is_none() && self.left.len() < LEFT_MAX && self.is_private_writable(page) {
                self.left.push(page);
            } else {
                gone.push(page);
            }
        }
        for range in gone.done {
            kernel::drop_pages(range).map_err(|source| self.kernel("dropping pages", source))?;
        }
        Ok(carried)
    }

    /// Takes execution over: follows the layout, learns where pages are, drops what is not ours any more, installs the
    /// hot pages (`bytes`, in their order).
    ///
    /// # Errors
    /// The message makes no sense, or the kernel refused a mapping.
    pub fn take_over(&mut self, from: NodeId, handover: Handover, bytes: &[u8]) -> Result<(), PagerError> {
        if handover.books.len() != self.nodes.len() || bytes.len() != handover.hot.len() * PAGE_SIZE as usize {
            return Err(self.nonsense(from, "jump"));
        }
        handover.placement.iter().take(PREFETCHED_RUNS).for_each(|run| self.table.prefetch(run.claimed_pages()));
        self.take_books(&handover.books);
        self.take_lent(from, &handover.lent)?;
        self.take_closed(from, &handover.books)?;
        let ops = self.log.receive(handover.layout, &self.layout);
        let ops = ops.map_err(|_| self.nonsense(from, "layout log"))?;
        if !ops.is_empty() {
            self.drop_left();
        }
        for op in &ops {
            self.follow(op).map_err(|source| self.kernel("following a change of the address space", source))?;
        }
        self.take_placement(from, &handover.placement, &handover.hot)?;
        // Nobody executes in memory that is being drained.
        self.keep(self.me);
        self.install_hot(&handover.hot, bytes)?;
        self.drop_left();
        self.note_resident_max();
        Ok(())
    }

    /// Whether the program may write the page, and nobody else has it mapped.
    fn is_private_writable(&self, page: PageNumber) -> bool {
        self.layout.find(page.addr()).is_some_and(|(_, area)| area.kind == Kind::Anon && area.prot.writable())
    }

    /// Lets go of the pages that have left and have not come back. [`Pager::take_over`] does so; whoever lets the program go
    /// on here without it (a test) must too.
    pub fn drop_left(&mut self) {
        let mut runs = Runs::default();
        self.left.sort_unstable();
        self.left.drain(..).for_each(|page| runs.push(page));
        for range in runs.done {
            // What is not mapped any more has no pages to drop.
            let _ = kernel::drop_pages(range);
        }
    }

    fn take_books(&mut self, books: &[Book]) {
        for (node, book) in self.nodes.iter_mut().zip(books) {
            node.owed = book.owed;
            node.resident = book.resident;
            node.exhausted = book.exhausted;
            node.limit = book.limit;
            node.slab = book.slab;
        }
    }

    /// Home may have more slots than its limit allows, which may have fallen meanwhile: they stay, and are not taken.
    fn take_lent(&mut self, from: NodeId, lent: &[Lent]) -> Result<(), PagerError> {
        let mut rest = lent;
        for node in 0..self.nodes.len() {
            let (now, after) = rest.split_at(rest.iter().take_while(|lent| usize::from(lent.node) == node).count());
            rest = after;
            let same = self.slots[node].lent().iter().eq(now.iter().map(|lent| &lent.slots));
            if !same && !self.slots[node].set_lent(now.iter().map(|lent| lent.slots.clone()).collect()) {
                return Err(self.nonsense(from, "list of leased memory"));
            }
        }
        if rest.is_empty() { Ok(()) } else { Err(self.nonsense(from, "list of leased memory")) }
    }

    /// Slabs that are being drained.
    fn take_closed(&mut self, from: NodeId, books: &[Book]) -> Result<(), PagerError> {
        for (node, book) in books.iter().enumerate() {
            let closed = book.closed[0]..book.closed[1];
            if !closed.is_empty() && !self.slots[node].is_lent(&closed) {
                return Err(self.nonsense(from, "list of leased memory"));
            }
            self.slots[node].close(closed);
        }
        Ok(())
    }

    /// Applies one layout operation that another node has carried out.
    fn follow(&mut self, op: &LayoutOp) -> std::io::Result<()> {
        for freed in op.frees() {
            self.clear_followed(PageRange::covering(&freed));
        }
        match op {
            LayoutOp::Map { range, area } => self.follow_map(PageRange::covering(range), *area)?,
            LayoutOp::Unmap { range } => kernel::unmap(PageRange::covering(range))?,
            LayoutOp::Protect { range, prot } => self.follow_protect(range.clone(), *prot)?,
            LayoutOp::Discard { .. } | LayoutOp::Move { .. } => {}
        }
        self.layout.apply(op);
        Ok(())
    }

    fn follow_map(&mut self, range: PageRange, area: Area) -> std::io::Result<()> {
        let home = self.me == NodeId::HOME;
        match area.kind {
            // Home never loses these: whoever changes them does it at home.
            Kind::FileRo | Kind::Shared if home => Ok(()),
            Kind::Shared => kernel::map_anon(range, libc::PROT_NONE),
            Kind::Anon | Kind::Reserve | Kind::FileRo => {
                kernel::map_anon(range, area.prot.bits() as i32)?;
                self.uffd.register(range)
            }
        }
    }

    fn follow_protect(&mut self, range: std::ops::Range<u64>, prot: Prot) -> std::io::Result<()> {
        let parts: Vec<_> = self.layout.overlapping(range).collect();
        let own = parts.iter().filter(|(_, area)| area.kind != Kind::Shared);
        for (part, _) in own {
            kernel::protect(PageRange::covering(part), prot.bits() as i32)?;
        }
        Ok(())
    }

    /// The pages of a range have lost their contents on another node: their entries go, and the slots they held.
    fn clear_followed(&mut self, range: PageRange) {
        let Self { table, nodes, slots, me, .. } = self;
        table.scan(range, |page, entry| {
            if let Some(slot) = entry.slot() {
                // The slot's memory stays: it may hold another page by now, written here one-sided.
                slots[slot.node.0 as usize].free(slot.index);
            }
            if entry.state() == State::Replica {
                nodes[me.0 as usize].resident -= 1;
            }
            table.overwrite(page, entry.cleared());
        });
    }

    fn take_placement(&mut self, from: NodeId, runs: &[PlacementRun], hot: &[u64]) -> Result<(), PagerError> {
        let Self { changes, table, slots, me, .. } = self;
        let me = *me;
        let mut gone = Runs::default();
        let mut mine = Runs::default();
        let local = |entry: Entry| entry.slot().is_some_and(|slot| slot.node == me) || entry.is_resident_on(me);
        let applied = changes.apply(runs, me, table, slots, |page, old, new| {
            // A page that comes along may still have an outdated copy here.
            if old.is_resident_on(me) && (!new.is_resident_on(me) || hot.contains(&page.0)) {
                gone.push(page);
            }
            if local(new) {
                mine.push(page);
            }
        });
        applied.map_err(|_| self.nonsense(from, "placement log"))?;
        for range in gone.done {
            // A part that is not mapped any more has no pages to drop.
            let _ = kernel::drop_pages(range);
        }
        mine.done.into_iter().flatten().for_each(|page| self.enqueue(page));
        Ok(())
    }

    /// Installs the pages that came along, neighbours together: `bytes` are theirs, in the order of `hot`, which ascends.
    fn install_hot(&mut self, hot: &[u64], bytes: &[u8]) -> Result<(), PagerError> {
        let mut missing = Runs::default();
        for (&page, bytes) in hot.iter().zip(bytes.chunks_exact(PAGE_SIZE as usize)) {
            let page = PageNumber(page);
            self.note(page);
            let Some(at) = self.left.iter().position(|&left| left == page) else {
                missing.push(page);
                continue;
            };
            self.left.swap_remove(at);
            // SAFETY: the page has stayed mapped and writable since it left; the app thread stands in this trap.
            unsafe { kernel::bytes_mut(PageRange::single(page)) }.copy_from_slice(bytes);
        }
        for range in missing.done {
            let at = hot.iter().position(|&page| page == range.start.0).unwrap_or(0) * PAGE_SIZE as usize;
            // Pages that are neighbours are so among the bytes too.
            self.uffd
                .copy(range, bytes[at..].as_ptr(), Protection::Writable)
                .map_err(|source| self.kernel("installing pages", source))?;
        }
        Ok(())
    }
}

/// Ascending pages joined to ranges.
#[derive(Default)]
struct Runs {
    done: Vec<PageRange>,
}

impl Runs {
    fn push(&mut self, page: PageNumber) {
        match self.done.last_mut() {
            Some(last) if last.end == page => last.end = page.next(),
            _ => self.done.push(PageRange::single(page)),
        }
    }
}
