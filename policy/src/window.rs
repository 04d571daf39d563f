//! How many neighbours come along with a page: as many as the program has shown that it wants.
//!
//! A fault at the very page where the last run ended is a sequential program: the window doubles. Any other fault is a
//! random one: it starts again with one page, or a few, since neighbours that nobody wants cost the wire and the other node's memory.

/// A window over one stream of faults.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    next: u64,
    pages: u64,
    pages_min: u64,
    pages_max: u64,
}

impl Window {
    /// A window that grows up to `pages_max` pages.
    #[must_use]
    pub fn new(pages_max: u64) -> Self {
        Self::between(1, pages_max)
    }

    /// A window of at least `pages_min` pages.
    #[must_use]
    pub fn between(pages_min: u64, pages_max: u64) -> Self {
        Self { next: u64::MAX, pages: pages_min, pages_min, pages_max }
    }

    /// Pages to bring for a fault at `page`, that one included; the caller may bring fewer.
    pub fn open(&mut self, page: u64) -> u64 {
        self.pages = if page == self.next { (self.pages * 2).min(self.pages_max) } else { self.pages_min };
        self.pages
    }

    /// As [`open`](Self::open), for a program that may leave out up to `slack` pages between two runs.
    pub fn open_near(&mut self, page: u64, slack: u64) -> u64 {
        if page.wrapping_sub(self.next) <= slack {
            self.next = page;
        }
        self.open(page)
    }

    /// `count` pages from `page` on have been brought.
    pub fn brought(&mut self, page: u64, count: u64) {
        self.next = page + count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequential_program_gets_longer_and_longer_runs_and_a_random_one_single_pages() {
        let mut window = Window::new(8);
        let mut page = 100;
        let mut counts = Vec::new();
        for _ in 0..5 {
            let count = window.open(page);
            window.brought(page, count);
            counts.push(count);
            page += count;
        }
        assert_eq!(counts, [1, 2, 4, 8, 8]);
        assert_eq!([window.open(7), window.open(9)], [1, 1]);
    }
}
