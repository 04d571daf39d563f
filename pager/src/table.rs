//! The elastic page table: one atomic entry for each page of the program's half, in a flat sparse array.
//!
//! It spans 160 GiB of addresses, of which only the touched parts cost memory (8 bytes a page: 1/512 of what the
//! program uses). Entry index = address >> 12, so a look-up is one load. Marks of touched 2 MiB chunks, and of touched
//! groups of 4096 chunks, let scans skip what was never used.

use std::sync::atomic::{AtomicU8, Ordering};

use rustix::io::Errno;
use thiserror::Error;

use crate::entry::Entry;
use crate::page::{APP_CHUNKS, APP_PAGES, PageNumber, PageRange};
use crate::protocol;
use crate::sparse::SparseArray;
use crate::sync::AtomicU64;

/// Chunks of a group: one byte each, so a group's marks fill one page.
const GROUP_CHUNKS: u64 = 4096;

/// Most entries of a range that are prefetched: 8 KiB.
const PREFETCH_MAX: u64 = 1024;

/// Why there is no page table.
#[derive(Debug, Error)]
pub enum TableError {
    /// The kernel refused the address space.
    #[error(
        "this node cannot reserve {gib} GiB of address space for the page table ({source}); \
         lift the limit with `ulimit -v unlimited`, and if `sysctl vm.overcommit_memory` is 2 set it to 0 or 1 \
         (the space is only reserved; memory is used for what the program touches)"
    )]
    AddressSpace {
        /// GiB asked for.
        gib: u64,
        /// What the kernel said.
        source: Errno,
    },
}

/// All entries. Shared by all threads of the runtime; every method may be called in a trap handler.
pub struct PageTable {
    entries: SparseArray<AtomicU64>,
    /// One byte a chunk: not 0 once an entry of it may be other than 0.
    touched: SparseArray<AtomicU8>,
    /// One byte a group of chunks, likewise.
    groups: SparseArray<AtomicU8>,
}

impl PageTable {
    /// An empty table.
    ///
    /// # Errors
    /// If the address space is limited; the message says by what and how to lift it.
    pub fn new() -> Result<Self, TableError> {
        let refused = |source| TableError::AddressSpace { gib: (APP_PAGES * 8) >> 30, source };
        Ok(Self {
            entries: SparseArray::new(APP_PAGES as usize).map_err(refused)?,
            touched: SparseArray::new(APP_CHUNKS as usize).map_err(refused)?,
            groups: SparseArray::new(APP_CHUNKS.div_ceil(GROUP_CHUNKS) as usize).map_err(refused)?,
        })
    }

    /// The entry of `page`.
    ///
    /// # Panics
    /// As all methods: if the page is not in the program's half.
    #[inline]
    #[must_use]
    pub fn load(&self, page: PageNumber) -> Entry {
        protocol::load(&self.entries[page.0 as usize])
    }

    /// The atomic of `page`, to be changed with the functions of [`protocol`].
    #[inline]
    #[must_use]
    pub fn cell(&self, page: PageNumber) -> &AtomicU64 {
        let cell = &self.entries[page.0 as usize];
        let mark = &self.touched[page.chunk() as usize];
        // Marked before the entry changes: a scan that could see the entry finds the mark.
        if mark.load(Ordering::Relaxed) == 0 {
            self.groups[(page.chunk() / GROUP_CHUNKS) as usize].store(1, Ordering::Release);
            mark.store(1, Ordering::Release);
        }
        cell
    }

    /// The atomics of the pages of `range`, as [`PageTable::cell`] gives them one by one.
    #[must_use]
    pub fn cells(&self, range: PageRange) -> &[AtomicU64] {
        for chunk in range.chunks() {
            let _ = self.cell(PageRange::of_chunk(chunk).start);
        }
        &self.entries[range.start.0 as usize..range.end.0 as usize]
    }

    /// Has the processor begin to load the entries of the pages of `range`, or of the first of them if they are very many.
    pub fn prefetch(&self, range: PageRange) {
        let part = range.intersection(&PageRange::APP).split_at(PREFETCH_MAX).0;
        if !part.is_empty() {
            self.entries.prefetch(part.start.0 as usize..part.end.0 as usize);
        }
    }

    /// See [`protocol::compare_exchange`].
    ///
    /// # Errors
    /// What the entry is instead of `old`.
    #[inline]
    pub fn compare_exchange(&self, page: PageNumber, old: Entry, new: Entry) -> Result<(), Entry> {
        protocol::compare_exchange(self.cell(page), old, new)
    }

    /// See [`protocol::update`].
    ///
    /// # Errors
    /// The entry for which `change` said `None`.
    #[inline]
    pub fn update(
        &self,
        page: PageNumber,
        change: impl FnMut(Entry) -> Option<Entry>,
    ) -> Result<(Entry, Entry), Entry> {
        protocol::update(self.cell(page), change)
    }

    /// Sets the entry to what another node says it is, keeping QUEUED. No rule of the state machine applies, since many
    /// steps may lie between; only for a parked node, whose pages nobody moves.
    pub fn overwrite(&self, page: PageNumber, new: Entry) -> Entry {
        let cell = self.cell(page);
        let old = protocol::load(cell);
        debug_assert!(old.is_settled() && new.is_settled(), "overwrote a page being moved: {old:?} -> {new:?}");
        cell.store(new.with_queued(old.queued()).raw(), Ordering::Release);
        old
    }

    /// Sets the entry, keeping QUEUED and the stale mask, where no rule of the state machine applies: in a child that has just
    /// been born.
    pub fn set(&self, page: PageNumber, new: Entry) {
        let cell = self.cell(page);
        let old = protocol::load(cell);
        cell.store(new.with_queued(old.queued()).with_stale_mask(old.stale_mask()).raw(), Ordering::Release);
    }

    /// Calls `visit` for every page of `range` whose entry is not 0, in ascending order. Costs time for touched chunks only.
    pub fn scan(&self, range: PageRange, mut visit: impl FnMut(PageNumber, Entry)) {
        self.touched_chunks(range, |pages| {
            let cells = &self.entries[pages.start.0 as usize..pages.end.0 as usize];
            for (page, cell) in pages.pages().zip(cells) {
                let entry = protocol::load(cell);
                if entry != Entry::ABSENT {
                    visit(page, entry);
                }
            }
        });
    }

    /// Calls `visit` with the part of `range` in each touched chunk.
    fn touched_chunks(&self, range: PageRange, mut visit: impl FnMut(PageRange)) {
        let range = range.intersection(&PageRange::APP);
        let mut chunks = range.chunks();
        while let Some(chunk) = chunks.next() {
            if self.groups[(chunk / GROUP_CHUNKS) as usize].load(Ordering::Acquire) == 0 {
                chunks.start = (chunk / GROUP_CHUNKS + 1) * GROUP_CHUNKS;
            } else if self.touched[chunk as usize].load(Ordering::Acquire) != 0 {
                visit(PageRange::of_chunk(chunk).intersection(&range));
            }
        }
    }
}
