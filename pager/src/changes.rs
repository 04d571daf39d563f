//! Which entries of the page table each other node does not know yet.
//!
//! For every node k there is a list of pages; a page is in list k exactly while bit k of its entry's stale mask is set.
//! The invariant, on the node that executes: its table is true for every page, and list k holds at least the pages whose
//! entry in node k's table is not the true one. A jump to k carries list k as [`PlacementRun`]s; k applies them, and
//! takes over, by the stale masks they carry, what the other nodes do not know.
//!
//! What must be noted: every change of state, owner, slot, CLEAN or NOREAD, once the page is settled. What must not: REFERENCED,
//! QUEUED and Replica, which concern this node only, and what [`LayoutOp::frees`](crate::layout_log::LayoutOp::frees),
//! since each node clears that itself when it replays the layout log.

use eos_verbs::NodeId;

use crate::entry::{Entry, NODES};
use crate::page::{PageNumber, PageRange};
use crate::placement::{BadRun, PlacementRun, Runs, carried};
use crate::protocol::{load, update};
use crate::slots::SlotAllocator;
use crate::sync::{AtomicU64, Ordering};
use crate::table::PageTable;

/// The lists of one node.
#[derive(Debug, Default)]
pub struct ChangeLists {
    /// Pages in the order of their changes, neighbours joined; no page twice.
    lists: [Vec<PageRange>; NODES],
}

impl ChangeLists {
    /// Every node knows everything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The entry of `page` (`cell`) has changed here on `me`: none of the nodes in `active` (bit k: node k) knows it.
    /// Seldom allocates (lists grow by doubling).
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
        table.scan(PageRange::APP, |page, entry| {
            // An Absent page matters too if another node does not know that it is.
            if carried(entry) != Entry::ABSENT {
                self.note(page, table.cell(page), me, bit(node));
            }
        });
    }

    /// Takes list `node` out, as runs in ascending order of pages; `node` knows them from now on: they must be sent.
    /// For a jump, when no page is being moved.
    pub fn drain_for(&mut self, node: NodeId, table: &PageTable) -> Vec<PlacementRun> {
        let mut ranges = std::mem::take(&mut self.lists[node.0 as usize]);
        ranges.sort_unstable_by_key(|range| range.start);
        let mut runs = Runs::default();
        for range in ranges {
            for (page, cell) in range.into_iter().zip(table.cells(range)) {
                let entry = load(cell);
                debug_assert!(entry.is_settled(), "told node {} of a page being moved", node.0);
                let entry = entry.with_stale_mask(entry.stale_mask() & !bit(node));
                // Nobody else is at the entry (it is settled, and execution is in the trap that jumps): a plain store.
                cell.store(entry.raw(), Ordering::Release);
                runs.push(page, carried(entry));
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
        // First all old slots are freed: a page may have got the slot that another has left.
        for run in runs {
            for cell in table.cells(run.pages()) {
                if let Some(slot) = load(cell).slot() {
                    slots[slot.node.0 as usize].free(slot.index);
                }
            }
        }
        for run in runs {
            for ((page, told), cell) in run.entries().zip(table.cells(run.pages())) {
                if let Some(slot) = told.slot() {
                    slots[slot.node.0 as usize].set(slot.index);
                }
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
        Ok(())
    }

    /// Number of pages that `node` does not know: what a jump there has to carry.
    #[must_use]
    pub fn len(&self, node: NodeId) -> u64 {
        self.lists[node.0 as usize].iter().map(PageRange::count).sum()
    }

    /// Whether `node` knows every page.
    #[must_use]
    pub fn is_empty(&self, node: NodeId) -> bool {
        self.lists[node.0 as usize].is_empty()
    }

    /// The pages in list `node`, in the order in which they changed.
    pub fn pages(&self, node: NodeId) -> impl Iterator<Item = PageNumber> + '_ {
        self.lists[node.0 as usize].iter().copied().flatten()
    }

    /// Puts `page` at the end of the lists in `mask`.
    fn append(&mut self, page: PageNumber, mask: u16) {
        for (_, list) in self.lists.iter_mut().enumerate().filter(|(node, _)| mask >> node & 1 == 1) {
            match list.last_mut() {
                Some(last) if last.end == page => last.end = page.next(),
                _ => list.push(PageRange::single(page)),
            }
        }
    }
}

const fn bit(node: NodeId) -> u16 {
    1 << node.0
}
