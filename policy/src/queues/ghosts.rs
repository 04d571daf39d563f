//! Pages that have left lately: numbers only, in a table of fixed size in which a page has four places.
//!
//! How long ago a page left is counted in pages that have left since. Where four pages were there already the oldest is forgotten, so
//! a few are forgotten early.

use std::ops::Range;

/// Bits of an entry for the time; the page number is above them.
const STAMP_BITS: u32 = 28;
const STAMPS: u64 = 1 << STAMP_BITS;
/// Places for a page.
const WAYS: usize = 4;

/// The table.
#[derive(Debug)]
pub struct Ghosts {
    /// Sets of entries; 0 is nobody.
    table: Box<[u64]>,
    /// Pages that have left so far, and one.
    now: u64,
}

impl Ghosts {
    /// A table for some `pages`.
    #[must_use]
    pub fn new(pages: usize) -> Self {
        Self { table: vec![0; pages.next_power_of_two().max(WAYS)].into_boxed_slice(), now: 1 }
    }

    /// `page` leaves.
    pub fn leave(&mut self, page: u64) {
        self.now += 1;
        let entry = (page << STAMP_BITS) | (self.now % STAMPS);
        let places = self.places(page);
        let same = places.clone().find(|at| self.is(*at, page));
        let at = same.or_else(|| places.max_by_key(|at| self.age(*at)));
        self.table[at.expect("a page has places")] = entry;
    }

    /// `page` comes back, and is forgotten here. Whether fewer than `window` pages have left since it did.
    pub fn comes_back(&mut self, page: u64, window: usize) -> bool {
        let Some(at) = self.places(page).find(|at| self.is(*at, page)) else {
            return false;
        };
        let age = self.age(at);
        self.table[at] = 0;
        age < window as u64
    }

    fn is(&self, at: usize, page: u64) -> bool {
        self.table[at] != 0 && self.table[at] >> STAMP_BITS == page
    }

    /// Pages that have left since the one at this place; for nobody, more than ever.
    fn age(&self, at: usize) -> u64 {
        match self.table[at] {
            0 => u64::MAX,
            entry => self.now.wrapping_sub(entry) % STAMPS,
        }
    }

    /// Fibonacci hashing (D. Knuth, The Art of Computer Programming, 6.4).
    fn places(&self, page: u64) -> Range<usize> {
        let hash = page.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let set = (hash as usize * (self.table.len() / WAYS)) >> 32;
        set * WAYS..(set + 1) * WAYS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_known_until_as_many_others_as_the_window_has_have_left() {
        let mut ghosts = Ghosts::new(1024);
        for (others, known) in [(0, true), (7, true), (8, false), (20, false)] {
            ghosts.leave(5);
            (100..100 + others).for_each(|page| ghosts.leave(page));
            assert_eq!(ghosts.comes_back(5, 8), known, "{others} others");
            assert!(!ghosts.comes_back(5, 8), "it is here");
        }
    }

    #[test]
    fn nearly_all_pages_of_a_window_of_half_the_table_are_known() {
        let mut ghosts = Ghosts::new(4096);
        (0..50_000).for_each(|page| ghosts.leave(page * 3));
        let known = (48_000..50_000).filter(|page| ghosts.comes_back(page * 3, 2048)).count();
        assert!(known > 1800, "{known} of 2000");
        assert_eq!((0..40_000).filter(|page| ghosts.comes_back(page * 3, 2048)).count(), 0);
    }

    #[test]
    fn time_may_pass_the_end_of_its_bits() {
        let mut ghosts = Ghosts::new(64);
        ghosts.now = STAMPS - 3;
        (1..6).for_each(|page| ghosts.leave(page));
        (1..6).for_each(|page| assert!(ghosts.comes_back(page, 5), "{page}"));
    }
}
