//! Which pages leave: two queues, and the memory of who has left lately.
//!
//! User space sees a page when it comes, and not while it is used. So a page is judged by whether it comes back. Newcomers have a sixteenth of memory, and
//! leave in the order in which they came. Who leaves there is remembered until half as many again have left after it as there are pages here;
//! who comes back in that time goes to the main queue, and leaves it in the order of arrival too. So what is touched once, a scan, passes through the
//! newcomers' part, and what is wanted again and again stays. It is 2Q (T. Johnson, D. Shasha, 2Q: A Low Overhead High Performance Buffer Management Replacement Algorithm,
//! 1994) with a first-in-first-out main queue. `docs/policy.md` compares it with others.
//!
//! The queues hold page numbers only; whether a page is pinned or gone the caller says when asked. A page is to be in one of them once
//! at most: the page table's QUEUED bit says whether it is. Nothing but `new` allocates memory.

mod ghosts;
mod ring;

use ghosts::Ghosts;
use ring::Ring;
pub use ring::RingFull;

/// One part of memory in so many is the newcomers'.
const NEWCOMERS_SHARE: usize = 16;

/// What is to become of a page whose turn it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is the victim, and leaves its queue.
    Evict,
    /// Not resident any more: it leaves its queue.
    Forget,
    /// Pinned, or being moved: to the end of the main queue.
    Keep,
}

/// The queues.
#[derive(Debug)]
pub struct Queues {
    newcomers: Ring,
    main: Ring,
    ghosts: Ghosts,
}

impl Queues {
    /// Queues for `capacity` pages: at least as many as can be resident, with some room so that compaction is rare.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { newcomers: Ring::new(capacity), main: Ring::new(capacity), ghosts: Ghosts::new(window(capacity)) }
    }

    /// `page` comes, or comes back. If its queue is full, pages that are not `live` any more are forgotten.
    ///
    /// # Errors
    /// If all are.
    pub fn come(&mut self, page: u64, live: impl FnMut(u64) -> bool) -> Result<(), RingFull> {
        let returns = self.ghosts.comes_back(page, window(self.len()));
        let queue = if returns { &mut self.main } else { &mut self.newcomers };
        queue.push(page, live)
    }

    /// The next victim, which leaves its queue. `judge` is asked for each page whose turn it is, for each two or three times at the most;
    /// `None` means that all are kept.
    pub fn next_victim(&mut self, mut judge: impl FnMut(u64) -> Verdict) -> Option<u64> {
        let mut kept = 0;
        for _ in 0..3 * self.len() {
            let newcomers_turn = self.newcomers.len() > self.len() / NEWCOMERS_SHARE || kept >= self.main.len();
            let page = if newcomers_turn { self.newcomers.pop() } else { self.main.pop() }?;
            match judge(page) {
                Verdict::Evict => {
                    if newcomers_turn {
                        self.ghosts.leave(page);
                    }
                    return Some(page);
                }
                Verdict::Forget => {}
                Verdict::Keep => {
                    self.keep(page);
                    kept += usize::from(!newcomers_turn);
                }
            }
        }
        None
    }

    /// To the end of the main queue. If that is full, which it can only be of pages that are gone, there is room where the page was.
    fn keep(&mut self, page: u64) {
        if self.main.push(page, |_| true).is_err() {
            let kept = self.newcomers.push(page, |_| true);
            debug_assert!(kept.is_ok(), "the page has just been taken out");
        }
    }

    /// Pages among which the next `count` victims most likely are.
    pub fn upcoming(&self, count: usize) -> impl Iterator<Item = u64> + '_ {
        self.newcomers.iter().take(count).chain(self.main.iter().take(count))
    }

    /// There is no more order: all that are `live` are in the main queue, so that one turn of it passes every page.
    pub fn mix(&mut self, mut live: impl FnMut(u64) -> bool) {
        while let Some(page) = self.newcomers.pop() {
            let moved = self.main.push(page, &mut live);
            debug_assert!(moved.is_ok(), "each queue has room for all live pages");
        }
    }

    /// Number of pages in both queues.
    #[must_use]
    pub fn len(&self) -> usize {
        self.newcomers.len() + self.main.len()
    }

    /// Whether no page is in them.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pages: newcomers, then the others, each from the oldest on.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.newcomers.iter().chain(self.main.iter())
    }
}

/// How long a page that has left is remembered, in pages that leave after it. A little more than all that are here, since a program that goes through twice as
/// much as fits would else never be seen to come back.
fn window(pages: usize) -> usize {
    pages + pages / 2
}

#[cfg(test)]
#[path = "queues_tests.rs"]
mod tests;
