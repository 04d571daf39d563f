//! Which entries of the page table each other node does not know yet.
//!
//! Bit k of an entry's stale mask says that node k does not know the entry. The invariant, on the node that executes: its
//! table is true for every page, and bit k is set at least in the entries of which node k's table has another. A jump to k
//! carries these entries as [`PlacementRun`]s; k applies them, and takes over, by the stale masks they carry, what the
//! other nodes do not know.
//!
//! So that a jump need not look for the bits in the whole table, there is a list of pages for every node k: a page is in list k
//! exactly while bit k of its stale mask is set. A list has room for [`RANGES_MAX`] ranges, allocated at the start, since
//! pages are noted in the fault path. One that is full is given up: it is empty, its node is *unlisted*, and the next
//! jump there does scan the table. That costs some nanoseconds for each entry in use, where the list would have carried
//! as many runs as it had ranges.
//!
//! What must be noted: every change of state, owner, slot, CLEAN or NOREAD, once the page is settled, and that a page has lost its
//! contents together with its mapping (a node that gets a snapshot of the layout does not hear of the operation). What must
//! not: QUEUED and Replica, which concern this node only.

use eos_verbs::NodeId;

use crate::entry::{Entry, NODES};
use crate::page::{PageNumber, PageRange};
use crate::placement::{BadRun, PlacementRun, Runs, carried};
use crate::protocol::{load, update};
use crate::slots::SlotAllocator;
use crate::sync::{AtomicU64, Ordering};
use crate::table::PageTable;

/// Most ranges of pages in one list: 1 MiB of memory, if they come to be used.
pub const RANGES_MAX: usize = 1 << 16;

/// Ranges of a list whose entries are prefetched.
const PREFETCHED_RANGES: usize = 32;

/// The lists of one node.
#[derive(Debug)]
pub struct ChangeLists {
    /// Pages in the order of their changes, neighbours joined; no page twice.
    lists: [Vec<PageRange>; NODES],
    /// Bit k: list k was given up and is empty; only the table says what node k does not know.
    unlisted: u16,
    ranges_max: usize,
}

impl ChangeLists {
    /// Every node knows everything. `followers` (bit k: node k) are the nodes that will have to be told of changes.
    #[must_use]
    pub fn new(followers: u16) -> Self {
        Self::with_room(followers, RANGES_MAX)
    }

    /// As [`new`](Self::new), with room for `ranges_max` ranges in each list.
    #[must_use]
    pub fn with_room(followers: u16, ranges_max: usize) -> Self {
        let room = |node: usize| if followers >> node & 1 == 1 { ranges_max } else { 0 };
        Self { lists: std::array::from_fn(|node| Vec::with_capacity(room(node))), unlisted: 0, ranges_max }
    }

    /// The entry of `page` (`cell`) has changed here on `me`: none of the nodes in `active` (bit k: node k) knows it.
    /// Does not allocate.
    pub fn note(&mut self, page: PageNumber, cell: &AtomicU64, me: NodeId, active: u16) {
        let others = active & !bit(me);
        let marked = update(cell, |entry| {
            let mask = entry.stale_mask() | others;
            (mask != entry.stale_mask()).then(|| entry.with_stale_mask(mask))
        });
        if let Ok((old, _)) = marked {
            self.append(page, others & !old.stale_mask());
        }
    }

    /// `node`, with an empty table, begins to follow: it knows nothing of any page.
    pub fn join(&mut self, node: NodeId, me: NodeId, table: &PageTable) {
        let list = &mut self.lists[node.index()];
        list.reserve_exact(self.ranges_max.saturating_sub(list.len()));
        table.scan(PageRange::APP, |page, entry| {
            // An Absent page matters too if another node does not know that it is.
            if carried(entry) != Entry::ABSENT {
                self.note(page, table.cell(page), me, bit(node));
            }
        });
    }

    /// A hint that [`drain_for`](Self::drain_for) follows: its entries are on their way to the processor's caches.
    pub fn prefetch_for(&self, node: NodeId, table: &PageTable) {
        self.lists[node.index()].iter().take(PREFETCHED_RANGES).for_each(|range| table.prefetch(*range));
    }

    /// Takes what `node` does not know out, as runs in ascending order of pages; `node` knows them from now on: they must be sent.
    /// For a jump, when no page is being moved.
    pub fn drain_for(&mut self, node: NodeId, table: &PageTable) -> Vec<PlacementRun> {
        let mut runs = Runs::default();
        let mut tell = |page, cell: &AtomicU64| {
            let entry = load(cell);
            debug_assert!(entry.is_settled(), "told node {} of a page being moved", node.0);
            let entry = entry.with_stale_mask(entry.stale_mask() & !bit(node));
            // Nobody else is at the entry (it is settled, and execution is in the trap that jumps): a plain store.
            cell.store(entry.raw(), Ordering::Release);
            runs.push(page, carried(entry));
        };
        if self.is_unlisted(node) {
            let unknown = |entry: Entry| entry.stale_mask() & bit(node) != 0;
            table.scan(PageRange::APP, |page, entry| {
                if unknown(entry) {
                    tell(page, table.cell(page));
                }
            });
            self.unlisted &= !bit(node);
        } else {
            let list = &mut self.lists[node.index()];
            list.sort_unstable_by_key(|range| range.start);
            for range in list.drain(..) {
                range.into_iter().zip(table.cells(range)).for_each(|(page, cell)| tell(page, cell));
            }
        }
        runs.finish()
    }

    /// Takes in the runs that came with a jump to `me`: the entries, the slots that they take and give back (`slots[k]`
    /// is of node k's region), and what the other nodes do not know. Calls `changed(page, old, new)` for each page, old
    /// and new entry, so that pages that were mapped here and are not any more can be dropped.
    ///
    /// # Errors
    /// If a run is not possible: it came from something that is no node of this run. Nothing changes then.
    pub fn apply(
        &mut self,
        runs: &[PlacementRun],
        me: NodeId,
        table: &PageTable,
        slots: &mut [SlotAllocator],
        mut changed: impl FnMut(PageNumber, Entry, Entry),
    ) -> Result<(), BadRun> {
        for run in runs {
            run.check(slots)?;
        }
        // All old slots are freed before any is taken: a page may have got the slot that another has left. Runs without
        // slots take none, so they are done at the first visit.
        for run in runs {
            let keeps_none = !run.has_slots();
            for cell in table.cells(run.pages()) {
                if let Some(slot) = load(cell).slot() {
                    slots[slot.node.index()].free(slot.index);
                }
            }
            if keeps_none {
                self.apply_run(run, me, table, &mut changed);
            }
        }
        for run in runs.iter().filter(|run| run.has_slots()) {
            for slot in run.entries().filter_map(|(_, told)| told.slot()) {
                slots[slot.node.index()].set(slot.index);
            }
            self.apply_run(run, me, table, &mut changed);
        }
        Ok(())
    }

    /// The entries of one run, and what the other nodes do not know of them.
    fn apply_run(
        &mut self,
        run: &PlacementRun,
        me: NodeId,
        table: &PageTable,
        changed: &mut impl FnMut(PageNumber, Entry, Entry),
    ) {
        for ((page, told), cell) in run.entries().zip(table.cells(run.pages())) {
            let old = load(cell);
            let known = old.stale_mask();
            let news = told.stale_mask() & !known & !bit(me);
            if news != 0 {
                self.append(page, news);
            }
            let new = told.with_stale_mask((told.stale_mask() | known) & !bit(me)).with_queued(old.queued());
            // This node's pages are moved by nobody while it takes execution over.
            cell.store(new.raw(), Ordering::Release);
            changed(page, old, new);
        }
    }

    /// Whether list `node` was given up, so that the next jump there scans the table.
    #[must_use]
    pub fn is_unlisted(&self, node: NodeId) -> bool {
        self.unlisted & bit(node) != 0
    }

    /// The pages in list `node`, in the order in which they changed.
    pub fn pages(&self, node: NodeId) -> impl Iterator<Item = PageNumber> + '_ {
        self.lists[node.index()].iter().copied().flatten()
    }

    /// Puts `page` at the end of the lists in `mask`.
    fn append(&mut self, page: PageNumber, mask: u16) {
        let listed = mask & !self.unlisted;
        for node in (0..NODES).filter(|node| listed >> node & 1 == 1) {
            let list = &mut self.lists[node];
            let has_room = list.len() < list.capacity();
            match list.last_mut() {
                Some(last) if last.end == page => last.end = page.next(),
                _ if has_room => list.push(PageRange::single(page)),
                _ => {
                    list.clear();
                    self.unlisted |= 1 << node;
                }
            }
        }
    }
}

const fn bit(node: NodeId) -> u16 {
    1 << node.0
}
