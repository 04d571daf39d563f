//! The pages that were asked for, in that order, and where a page last stood in it. Threads write into one history, each with its mark, so
//! that the way of one can be told from what others did meanwhile, by whichever thread goes it next time.

use crate::stamps::{STAMPS, Stamps};

/// One position in so many can be found by its page: whoever comes upon a way from anywhere soon meets one.
const FOUND: u64 = 4;

/// Positions that are looked through for the next with the same mark.
const REACH: u64 = 64;
/// Bits of an entry for the page; the mark is above them.
const PAGE_BITS: u32 = 36;

/// The history. Positions count up from 1 and never end; only the last ones are kept.
#[derive(Clone, Debug)]
pub(super) struct History {
    /// What stands at position `p` is at `p` modulo the length, a power of two.
    entries: Box<[u64]>,
    /// Position of the next page.
    end: u64,
    /// Positions of pages that can be found, in units of [`FOUND`].
    index: Stamps,
}

impl History {
    /// Keeps `count` pages or up to twice as many, at most 2^27.
    pub(super) fn new(count: usize) -> Self {
        let count = count.clamp(1, STAMPS as usize / 2).next_power_of_two();
        Self { entries: vec![0; count].into_boxed_slice(), end: 1, index: Stamps::new(2 * count / FOUND as usize) }
    }

    /// `thread` asks for `page`.
    pub(super) fn add(&mut self, thread: u32, page: u64) {
        let at = self.place(self.end);
        self.entries[at] = (u64::from(thread) << PAGE_BITS) | page;
        if self.end.is_multiple_of(FOUND) {
            self.index.put(page, self.end / FOUND);
        }
        self.end += 1;
    }

    /// The page at a position, while it is kept.
    pub(super) fn page(&self, position: u64) -> Option<u64> {
        self.entry(position).map(|entry| entry & ((1 << PAGE_BITS) - 1))
    }

    /// The position after this one of the same thread, unless the others have asked for too much in between.
    pub(super) fn after(&self, position: u64) -> Option<u64> {
        let mark = self.entry(position)? >> PAGE_BITS;
        let same = |next: &u64| self.entry(*next).is_some_and(|entry| entry >> PAGE_BITS == mark);
        (position + 1..self.end.min(position + 1 + REACH)).find(same)
    }

    /// Positions after this one of the same thread.
    pub(super) fn from(&self, position: u64) -> impl Iterator<Item = u64> + '_ {
        std::iter::successors(self.after(position), |position| self.after(*position))
    }

    fn entry(&self, position: u64) -> Option<u64> {
        let kept = position < self.end && self.end - position <= self.entries.len() as u64 && position > 0;
        kept.then(|| self.entries[self.place(position)])
    }

    /// A position, the last that can be found, where `page` was asked for.
    pub(super) fn find(&self, page: u64) -> Option<u64> {
        let now = self.end / FOUND;
        let position = now.checked_sub(self.index.age_of(page, now)?)? * FOUND;
        (self.page(position) == Some(page)).then_some(position)
    }

    fn place(&self, position: u64) -> usize {
        position as usize & (self.entries.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_pages_are_kept_and_one_in_four_is_found() {
        let mut history = History::new(128);
        (1000..1250).for_each(|page| history.add(1, page));
        let pages = [0, 122, 123, 250, 251].map(|position| history.page(position));
        assert_eq!(pages, [None, None, Some(1122), Some(1249), None]);
        let found: Vec<u64> = (1000..1250).filter_map(|page| history.find(page)).collect();
        assert!(found.iter().all(|position| history.page(*position) == Some(999 + position)));
        assert!((26..=32).contains(&found.len()), "{found:?}");
    }

    #[test]
    fn the_way_of_a_thread_leaves_out_what_others_did() {
        let mut history = History::new(1024);
        for step in 0..20 {
            history.add(7, 100 + step);
            (0..step).for_each(|other| history.add(8 + other as u32 % 2, 500));
        }
        let way: Vec<_> = history.from(1).filter_map(|position| history.page(position)).collect();
        assert_eq!(way, (101..120).collect::<Vec<_>>());
        (0..REACH).for_each(|_| history.add(9, 500));
        history.add(7, 120);
        assert_eq!(history.from(1).count(), 19, "too far away");
    }
}
