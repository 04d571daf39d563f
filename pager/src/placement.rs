//! Placement runs: entries of many pages in few bytes, as a jump carries them.
//!
//! A run is `count` pages one after another whose entries are equal but for the slot, which is one further from page to
//! page (pages pushed together lie together). A run takes 20 bytes.

use thiserror::Error;

use crate::entry::{Entry, SlotRef, State};
use crate::page::{APP_PAGES, PageNumber, PageRange};
use crate::slots::SlotAllocator;

/// A run that cannot be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("a jump told of a page that cannot be ({what}; page {first_page:#x}): the peer is of another run or version")]
pub struct BadRun {
    /// First page of the run.
    pub first_page: u64,
    /// What is wrong.
    pub what: &'static str,
}

/// Entries of consecutive pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PlacementRun {
    /// Number of the first page.
    pub first_page: u64,
    /// Number of pages, at least 1.
    pub count: u32,
    /// Raw bits of the first page's entry. If it has a slot, page i of the run has the slot i further.
    pub entry_of_first: u64,
}

impl PlacementRun {
    /// Whether the run says something possible, given the slots leased from each node.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self, slots: &[SlotAllocator]) -> Result<(), BadRun> {
        let bad = |what| Err(BadRun { first_page: self.first_page, what });
        let Some(first) = Entry::from_untrusted(self.entry_of_first) else {
            return bad("no such state");
        };
        if !first.is_settled() || first.state() == State::Replica {
            return bad("a state that is never told");
        }
        if self.count == 0 || self.first_page.saturating_add(u64::from(self.count)) > APP_PAGES {
            return bad("outside the program's half");
        }
        let Some(slot) = first.slot() else {
            return Ok(());
        };
        let run = slot.index.checked_add(self.count).map(|end| slot.index..end);
        match (run, slots.get(slot.node.index())) {
            (Some(run), Some(slots)) if slots.is_lent(&run) => Ok(()),
            _ => bad("a slot that is not leased"),
        }
    }

    /// Whether its pages have slots.
    #[must_use]
    pub const fn has_slots(&self) -> bool {
        Entry::from_raw(self.entry_of_first).slot().is_some()
    }

    /// The pages. Only of a checked run, or one of this process.
    #[must_use]
    pub const fn pages(&self) -> PageRange {
        PageRange::new(PageNumber(self.first_page), PageNumber(self.first_page + self.count as u64))
    }

    /// The pages of a run that is not checked yet, as far as they can be.
    #[must_use]
    pub const fn claimed_pages(&self) -> PageRange {
        PageRange::new(PageNumber(self.first_page), PageNumber(self.first_page.saturating_add(self.count as u64)))
    }

    /// The pages and their entries. Only of a checked run, or one of this process.
    pub fn entries(&self) -> impl Iterator<Item = (PageNumber, Entry)> + use<> {
        let (first_page, first) = (self.first_page, self.entry_of_first);
        let step = step(Entry::from_raw(first));
        let nth = move |i: u64| (PageNumber(first_page + i), Entry::from_raw(first.wrapping_add(i.wrapping_mul(step))));
        (0..u64::from(self.count)).map(nth)
    }
}

/// What another node is told of an entry: all but what concerns this node only.
#[must_use]
pub fn carried(entry: Entry) -> Entry {
    let place = if entry.state() == State::Replica { entry.cleared() } else { entry };
    place.with_queued(false)
}

/// Joins entries of ascending pages to runs.
///
/// A jump tells of hundreds of pages, so adding one compares two words: the page and the entry that would continue the run.
#[derive(Debug, Default)]
pub struct Runs {
    done: Vec<PlacementRun>,
    /// Of the run that may go on; a count of 0 at the beginning.
    run: PlacementRun,
    next_page: u64,
    next_entry: u64,
    /// What is added to an entry from page to page: one slot further, or nothing.
    step: u64,
}

impl Runs {
    /// Adds the next page.
    #[inline]
    pub fn push(&mut self, page: PageNumber, entry: Entry) {
        if page.0 != self.next_page || entry.raw() != self.next_entry || self.run.count == u32::MAX {
            self.begin(page, entry);
        }
        self.run.count += 1;
        self.next_page = page.0 + 1;
        self.next_entry = entry.raw().wrapping_add(self.step);
    }

    /// The run so far is complete; the next begins here.
    fn begin(&mut self, page: PageNumber, entry: Entry) {
        if self.run.count > 0 {
            self.done.push(self.run);
        }
        self.run = PlacementRun { first_page: page.0, count: 0, entry_of_first: entry.raw() };
        self.step = step(entry);
    }

    /// The runs.
    #[must_use]
    pub fn finish(mut self) -> Vec<PlacementRun> {
        if self.run.count > 0 {
            self.done.push(self.run);
        }
        self.done
    }
}

/// By how much the entries of a run that begins with `first` grow from page to page.
fn step(first: Entry) -> u64 {
    match first.slot() {
        // The index is in the uppermost bits, so nothing else changes.
        Some(SlotRef { node, index: 0 }) => first.with_slot(SlotRef { node, index: 1 }).raw() - first.raw(),
        Some(SlotRef { node, index }) => first.raw() - first.with_slot(SlotRef { node, index: index - 1 }).raw(),
        None => 0,
    }
}
