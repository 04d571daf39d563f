//! The books against the table: everything that the pager counts as it goes, counted anew from the entries.
//!
//! For tests and debug assertions: it scans the whole table, in microseconds for each touched chunk.

use std::collections::{HashMap, HashSet};

use crate::entry::{Entry, SlotRef, State};
use crate::layout::Kind;
use crate::page::{PageNumber, PageRange};
use crate::pager::Pager;

/// One node as the books have it, and as the entries say. In pages.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct NodeAudit {
    /// Most pages that may be there, by the book.
    pub limit: u64,
    /// Resident pages, by the book.
    pub resident_book: u64,
    /// Entries that are resident there (replicas included, for this node).
    pub resident: u64,
    /// Slots taken, by the allocator.
    pub slots_book: u64,
    /// Entries that hold a slot there.
    pub slots: u64,
    /// Slots of a slab that is being drained: no part of the limit any more, and in part still in use.
    pub closed: u64,
}

/// What [`Pager::audit`] found.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Audit {
    /// One for each node, indexed by node id.
    pub nodes: Vec<NodeAudit>,
    /// Pages left to the kernel, by the book.
    pub native_book: u64,
    /// Pages left to the kernel, by the layout.
    pub native: u64,
    /// What must never be, in words. Empty if all is well.
    pub complaints: Vec<String>,
}

impl Pager {
    /// Counts everything anew and compares. Between two calls of the pager, when no page is being moved.
    #[doc(hidden)]
    #[must_use]
    pub fn audit(&self) -> Audit {
        let mut audit = Audit {
            nodes: self.books(),
            native_book: self.native_pages,
            native: self.layout.total_pages(|area| !area.tracked && area.kind == Kind::Anon),
            complaints: Vec::new(),
        };
        self.count_entries(&mut audit);
        audit.compare_books();
        audit.judge_budget(self.me.index());
        audit
    }

    fn books(&self) -> Vec<NodeAudit> {
        let book = |(book, slots): (&crate::pager::NodeBook, &crate::slots::SlotAllocator)| NodeAudit {
            limit: book.limit,
            resident_book: book.resident,
            slots_book: slots.used().into(),
            closed: slots.closed().len() as u64,
            ..NodeAudit::default()
        };
        self.nodes.iter().zip(&self.slots).map(book).collect()
    }

    fn count_entries(&self, audit: &mut Audit) {
        let mut places: HashMap<u64, u64> = HashMap::new();
        self.queues.iter().for_each(|page| *places.entry(page).or_default() += 1);
        let mut taken = HashSet::new();
        self.table.scan(PageRange::APP, |page, entry| {
            self.count_entry(entry, audit);
            let (here, slot) = (self.is_here(entry), entry.slot());
            let in_queues = places.remove(&page.0).unwrap_or(0);
            let wrongs = [
                (!entry.is_settled(), "is being moved"),
                (entry.state() == State::Resident && slot.is_some() && !entry.is_clean(), "is dirty and has a slot"),
                (slot.is_some_and(|slot| !self.slots[slot.node.index()].is_used(slot.index)), "has a free slot"),
                (slot.is_some_and(|slot| !self.is_lent(slot)), "has a slot that is not lent"),
                (slot.is_some_and(|slot| !taken.insert((slot.node, slot.index))), "shares its slot"),
                (in_queues != u64::from(entry.queued()), "is not in the queues as often as its mark says"),
                (here && !entry.queued(), "is here and can never be a victim"),
                (self.misses_noread(page, entry), "is not readable and not marked so"),
            ];
            let words = wrongs.iter().filter(|(wrong, _)| *wrong).map(|(_, words)| words);
            audit.complaints.extend(words.map(|words| format!("page {:#x} ({entry:?}) {words}", page.0)));
        });
        audit
            .complaints
            .extend(places.keys().map(|page| format!("page {page:#x} is in the queues, and not marked so")));
    }

    fn count_entry(&self, entry: Entry, audit: &mut Audit) {
        match entry.state() {
            State::Resident => audit.nodes[entry.owner().index()].resident += 1,
            State::Replica => audit.nodes[self.me.index()].resident += 1,
            _ => {}
        }
        if let Some(slot) = entry.slot() {
            audit.nodes[slot.node.index()].slots += 1;
        }
    }

    fn is_lent(&self, slot: SlotRef) -> bool {
        slot.index.checked_add(1).is_some_and(|end| self.slots[slot.node.index()].is_lent(&(slot.index..end)))
    }

    fn misses_noread(&self, page: PageNumber, entry: Entry) -> bool {
        let readable = self.layout.find(page.addr()).is_some_and(|(_, area)| area.prot.readable());
        entry.state() == State::Resident && !readable && !entry.noread()
    }
}

impl Audit {
    fn compare_books(&mut self) {
        for (node, audit) in self.nodes.iter().enumerate() {
            let pairs =
                [("resident", audit.resident_book, audit.resident), ("slots taken", audit.slots_book, audit.slots)];
            let differing = pairs.iter().filter(|(_, book, counted)| book != counted);
            self.complaints.extend(
                differing
                    .map(|(what, book, counted)| format!("node {node}: {what}: {book} by the book, {counted} are")),
            );
        }
        if self.native_book != self.native {
            self.complaints
                .push(format!("left to the kernel: {} pages by the book, {} are", self.native_book, self.native));
        }
    }

    fn judge_budget(&mut self, me: usize) {
        for (node, audit) in self.nodes.iter().enumerate() {
            let native = if node == me { self.native_book } else { 0 };
            let held = audit.resident + audit.slots + native;
            if held > audit.limit + audit.closed {
                let (limit, closed) = (audit.limit, audit.closed);
                self.complaints.push(format!("node {node} holds {held} pages and may hold {limit} and {closed}"));
            }
        }
    }
}
