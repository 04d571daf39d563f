//! Placement runs: entries of many pages in few bytes, as a jump carries them.
//!
//! A run is `count` pages one after another whose entries are equal but for the slot, which is one further from page to
//! page (pages pushed together lie together). In postcard's form a run takes some 10 to 20 bytes.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::entry::{Entry, SlotRef, State};
use crate::page::{APP_PAGES, PageNumber};
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
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
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
        let leased = slots.get(slot.node.index()).map_or(0, SlotAllocator::capacity);
        match slot.index.checked_add(self.count) {
            Some(end) if end <= leased => Ok(()),
            _ => bad("a slot that is not leased"),
        }
    }

    /// The pages and their entries. Only of a checked run, or one of this process.
    pub fn entries(&self) -> impl Iterator<Item = (PageNumber, Entry)> + use<> {
        let (first_page, first) = (self.first_page, Entry::from_raw(self.entry_of_first));
        (0..self.count).map(move |i| (PageNumber(first_page + u64::from(i)), nth_entry(first, i)))
    }
}

/// The entry of the i-th page of a run.
fn nth_entry(first: Entry, i: u32) -> Entry {
    match first.slot() {
        Some(SlotRef { node, index }) => first.with_slot(SlotRef { node, index: index + i }),
        None => first,
    }
}

/// What another node is told of an entry: all but what concerns this node only.
#[must_use]
pub fn carried(entry: Entry) -> Entry {
    let place = if entry.state() == State::Replica { entry.cleared() } else { entry };
    place.with_referenced(false).with_queued(false)
}

/// Joins entries of ascending pages to runs.
#[derive(Debug, Default)]
pub struct Runs {
    done: Vec<PlacementRun>,
}

impl Runs {
    /// Adds the next page.
    pub fn push(&mut self, page: PageNumber, entry: Entry) {
        if let Some(last) = self.done.last_mut() {
            let follows = last.first_page + u64::from(last.count) == page.0 && last.count < u32::MAX;
            if follows && continues(Entry::from_raw(last.entry_of_first), last.count, entry) {
                last.count += 1;
                return;
            }
        }
        self.done.push(PlacementRun { first_page: page.0, count: 1, entry_of_first: entry.raw() });
    }

    /// The runs.
    #[must_use]
    pub fn finish(self) -> Vec<PlacementRun> {
        self.done
    }
}

/// Whether `entry` is what a run that begins with `first` has as its i-th.
fn continues(first: Entry, i: u32, entry: Entry) -> bool {
    let overflows = first.slot().is_some_and(|slot| slot.index.checked_add(i).is_none());
    !overflows && nth_entry(first, i) == entry
}
