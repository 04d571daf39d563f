//! When something last happened to pages: a table of fixed size in which a page has four places.
//!
//! Time is counted in events, by the caller; page numbers have at most 36 bits (x86-64 has 35 for a program). Where four pages were there already the one with the oldest stamp is forgotten, so a few are
//! forgotten early.

use std::ops::Range;

/// Bits of an entry for the stamp; the page number is above them.
const STAMP_BITS: u32 = 28;
/// Stamps are told apart that lie less than this far from each other.
pub(crate) const STAMPS: u64 = 1 << STAMP_BITS;
/// Places for a page.
const WAYS: usize = 4;

/// The table. Nothing but `new` allocates memory.
#[derive(Clone, Debug)]
pub(crate) struct Stamps {
    /// Sets of entries; 0 is nobody.
    table: Box<[u64]>,
}

impl Stamps {
    /// A table with places for `count` pages or a few more.
    pub(crate) fn new(count: usize) -> Self {
        Self { table: vec![0; count.next_multiple_of(WAYS).max(WAYS)].into_boxed_slice() }
    }

    /// It happens to `page` at `now`, which is not 0 and no less than before.
    pub(crate) fn put(&mut self, page: u64, now: u64) {
        let places = self.places(page);
        let same = places.clone().find(|at| self.is(*at, page));
        let at = same.or_else(|| places.max_by_key(|at| self.age(*at, now)));
        self.table[at.expect("a page has places")] = (page << STAMP_BITS) | (now % STAMPS);
    }

    /// How long before `now` it last happened to `page`, if that is known.
    pub(crate) fn age_of(&self, page: u64, now: u64) -> Option<u64> {
        self.places(page).find(|at| self.is(*at, page)).map(|at| self.age(at, now))
    }

    /// As [`age_of`](Self::age_of), and forgets it.
    pub(crate) fn take(&mut self, page: u64, now: u64) -> Option<u64> {
        let at = self.places(page).find(|at| self.is(*at, page))?;
        let age = self.age(at, now);
        self.table[at] = 0;
        Some(age)
    }

    fn is(&self, at: usize, page: u64) -> bool {
        self.table[at] != 0 && self.table[at] >> STAMP_BITS == page
    }

    /// Nobody's is the highest.
    fn age(&self, at: usize, now: u64) -> u64 {
        match self.table[at] {
            0 => u64::MAX,
            entry => now.wrapping_sub(entry) % STAMPS,
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
    fn the_last_time_is_known_until_it_is_taken() {
        let mut stamps = Stamps::new(64);
        stamps.put(0, 3);
        stamps.put(0, 5);
        assert_eq!(
            [stamps.age_of(0, 9), stamps.age_of(1, 9), stamps.take(0, 10), stamps.take(0, 10)],
            [Some(4), None, Some(5), None]
        );
    }

    #[test]
    fn the_oldest_of_a_full_set_gives_way() {
        let mut stamps = Stamps::new(4);
        (1..=4).for_each(|page| stamps.put(page, 10 - page));
        stamps.put(5, 20);
        let known: Vec<u64> = (1..=5).filter(|page| stamps.age_of(*page, 20).is_some()).collect();
        assert_eq!(known, [1, 2, 3, 5]);
    }
}
