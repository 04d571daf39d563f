//! Pages that have left lately: numbers only. How long ago a page left is counted in pages that have left since.

use crate::stamps::Stamps;

/// Who has left.
#[derive(Debug)]
pub struct Ghosts {
    left: Stamps,
    /// Pages that have left so far, and one.
    now: u64,
}

impl Ghosts {
    /// Room for some `pages`; of few more than half as many hardly any is forgotten early.
    #[must_use]
    pub fn new(pages: usize) -> Self {
        Self { left: Stamps::new(pages.next_power_of_two()), now: 1 }
    }

    /// `page` leaves.
    pub fn leave(&mut self, page: u64) {
        self.now += 1;
        self.left.put(page, self.now);
    }

    /// `page` comes back, and is forgotten here. Whether fewer than `window` pages have left since it did.
    pub fn comes_back(&mut self, page: u64, window: usize) -> bool {
        self.left.take(page, self.now).is_some_and(|age| age < window as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamps::STAMPS;

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
