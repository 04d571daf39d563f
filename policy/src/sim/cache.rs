//! One node's memory as a cache: which page leaves when another comes. Several ways, over the same touches.
//!
//! User space has no accessed bit. What a policy wants to know of pages that are in memory costs a *soft fault*: the page is unmapped
//! but kept, and the next touch traps. So each policy is replayed as it would run here: a page that comes in is mapped and counts as
//! used once; whenever the policy takes a page's mark away it is unmapped, and a touch of an unmapped page is a soft fault that gives
//! the mark back. Exact LRU and Belady's optimum see every touch; they are bounds, not candidates.

use super::accesses::Accesses;
use super::queue::Queue;
use crate::queues::{Queues, Verdict};

/// What replaying came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Faults {
    /// Pages that came over the wire: touched, evicted, touched again. First touches do not count.
    pub wire: u64,
    /// Touches of pages that were unmapped but here.
    pub soft: u64,
}

impl Faults {
    /// Nanoseconds at these prices.
    #[must_use]
    pub fn cost_ns(&self, wire_ns: u64, soft_ns: u64) -> u64 {
        self.wire * wire_ns + self.soft * soft_ns
    }
}

/// A way to choose victims.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CachePolicy {
    /// First in, first out: no page is ever unmapped before it leaves.
    Fifo,
    /// Second chance: the last part of the queue, so many of 16 parts of memory, is unmapped; a touch there puts a page back to the
    /// start (R. Turner, H. Levy, Segmented FIFO Page Replacement, 1981).
    SecondChance(u8),
    /// T. Johnson, D. Shasha, 2Q, 1994: a quarter for pages that came once, ghosts of half the memory, the rest as second chance.
    TwoQueues,
    /// What the pager does ([`Queues`]): no page is ever unmapped before it leaves; who comes back soon stays longer.
    ComesBack,
    /// J. Yang and others, FIFO Queues are All You Need for Cache Eviction, 2023: a tenth for newcomers, two bits of frequency.
    S3Fifo,
    /// Y. Zhang and others, SIEVE is Simpler than LRU, 2024.
    Sieve,
    /// Exact least recently used.
    Lru,
    /// L. Belady, 1966: the page that is wanted last.
    Optimum,
}

impl CachePolicy {
    /// All of them, in the order of tables.
    pub const ALL: [CachePolicy; 10] = [
        CachePolicy::Fifo,
        CachePolicy::SecondChance(1),
        CachePolicy::SecondChance(4),
        CachePolicy::SecondChance(8),
        CachePolicy::TwoQueues,
        CachePolicy::ComesBack,
        CachePolicy::S3Fifo,
        CachePolicy::Sieve,
        CachePolicy::Lru,
        CachePolicy::Optimum,
    ];

    /// Its name on the command line and in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            CachePolicy::Fifo => "fifo",
            CachePolicy::SecondChance(1) => "second-chance-6%",
            CachePolicy::SecondChance(4) => "second-chance-25%",
            CachePolicy::SecondChance(_) => "second-chance-50%",
            CachePolicy::TwoQueues => "2q",
            CachePolicy::ComesBack => "comes-back",
            CachePolicy::S3Fifo => "s3-fifo",
            CachePolicy::Sieve => "sieve",
            CachePolicy::Lru => "lru",
            CachePolicy::Optimum => "optimum",
        }
    }

    /// By its name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.name() == name)
    }

    /// Replays `accesses` with room for `capacity` pages (at least 16).
    #[must_use]
    pub fn replay(self, accesses: &Accesses, capacity: usize) -> Faults {
        let capacity = capacity.max(16);
        match self {
            CachePolicy::ComesBack => comes_back(accesses, capacity),
            CachePolicy::Lru => lru(accesses, capacity),
            CachePolicy::Optimum => super::optimum::replay(accesses, capacity),
            _ => Cache::new(self, accesses.pages(), capacity).replay(accesses),
        }
    }
}

fn lru(accesses: &Accesses, capacity: usize) -> Faults {
    let mut faults = Faults::default();
    let mut seen = vec![false; accesses.pages()];
    let mut queue = Queue::new(accesses.pages());
    for access in &accesses.list {
        if queue.contains(access.page) {
            queue.remove(access.page);
        } else {
            faults.wire += u64::from(std::mem::replace(&mut seen[access.page as usize], true));
            if queue.len() == capacity {
                queue.pop();
            }
        }
        queue.push(access.page);
    }
    faults
}

fn comes_back(accesses: &Accesses, capacity: usize) -> Faults {
    let mut faults = Faults::default();
    let (mut seen, mut here) = (vec![false; accesses.pages()], vec![false; accesses.pages()]);
    let mut queues = Queues::new(capacity);
    for access in &accesses.list {
        let page = access.page as usize;
        if here[page] {
            continue;
        }
        faults.wire += u64::from(std::mem::replace(&mut seen[page], true));
        if queues.len() == capacity
            && let Some(victim) = queues.next_victim(|_| Verdict::Evict)
        {
            here[victim as usize] = false;
        }
        here[page] = queues.come(page as u64, |_| true).is_ok();
    }
    faults
}

/// What is known of a page.
#[derive(Clone, Copy, Debug, Default)]
struct Page {
    seen: bool,
    here: bool,
    /// Touches of it are not seen.
    mapped: bool,
    /// Times that it was found used.
    uses: u8,
}

/// One of the policies with queues.
struct Cache {
    policy: CachePolicy,
    capacity: usize,
    pages: Vec<Page>,
    /// Newcomers; for policies with one queue, nothing.
    small: Queue,
    main: Queue,
    /// The unmapped end of the main queue of second chance.
    limbo: Queue,
    ghosts: Queue,
    hand: Option<u32>,
    faults: Faults,
}

impl Cache {
    fn new(policy: CachePolicy, pages: usize, capacity: usize) -> Self {
        let queue = || Queue::new(pages);
        let (small, main, limbo, ghosts) = (queue(), queue(), queue(), queue());
        let pages = vec![Page::default(); pages];
        Self { policy, capacity, pages, small, main, limbo, ghosts, hand: None, faults: Faults::default() }
    }

    fn replay(mut self, accesses: &Accesses) -> Faults {
        for access in &accesses.list {
            self.touch(access.page);
        }
        self.faults
    }

    fn page(&mut self, page: u32) -> &mut Page {
        &mut self.pages[page as usize]
    }

    fn touch(&mut self, page: u32) {
        let state = self.pages[page as usize];
        if !state.here {
            self.faults.wire += u64::from(state.seen);
            return self.come(page);
        }
        if state.mapped {
            return;
        }
        self.faults.soft += 1;
        let uses = (state.uses + 1).min(3);
        *self.page(page) = Page { mapped: true, uses, ..state };
        if self.limbo.contains(page) {
            self.limbo.remove(page);
            self.main.push(page);
            self.refill_limbo();
        }
    }

    fn come(&mut self, page: u32) {
        if self.small.len() + self.main.len() + self.limbo.len() == self.capacity {
            self.evict();
        }
        let returns = self.ghosts.contains(page);
        if returns {
            self.ghosts.remove(page);
        }
        let main = returns || !self.has_small();
        *self.page(page) = Page { seen: true, here: true, mapped: true, uses: 1 };
        if main {
            self.main.push(page)
        } else {
            self.small.push(page)
        }
        self.refill_limbo();
    }

    fn has_small(&self) -> bool {
        matches!(self.policy, CachePolicy::TwoQueues | CachePolicy::S3Fifo)
    }

    /// Pages of memory whose last ones are unmapped, so that a touch of them is seen.
    fn limbo_pages(&self) -> usize {
        match self.policy {
            CachePolicy::SecondChance(sixteenths) => self.capacity * usize::from(sixteenths) / 16,
            CachePolicy::TwoQueues => (self.capacity - self.small.len()) / 4,
            _ => 0,
        }
    }

    fn refill_limbo(&mut self) {
        let full = self.small.len() + self.main.len() + self.limbo.len() == self.capacity;
        while full && self.limbo.len() < self.limbo_pages() {
            let Some(page) = self.main.pop() else {
                return;
            };
            self.page(page).mapped = false;
            self.limbo.push(page);
        }
    }

    fn evict(&mut self) {
        match self.policy {
            CachePolicy::Sieve => self.evict_by_sieve(),
            CachePolicy::S3Fifo => self.evict_by_s3(),
            CachePolicy::TwoQueues if self.small.len() > self.capacity / 4 => self.evict_newcomer(self.capacity / 2),
            _ => {
                let victim = self.limbo.pop().or_else(|| self.main.pop()).or_else(|| self.small.pop());
                victim.into_iter().for_each(|page| self.leave(page));
            }
        }
    }

    fn leave(&mut self, page: u32) {
        *self.page(page) = Page { seen: true, ..Page::default() };
    }

    /// The oldest newcomer leaves, and is remembered for a while.
    fn evict_newcomer(&mut self, ghosts_max: usize) {
        let Some(page) = self.small.pop() else {
            return;
        };
        self.leave(page);
        self.ghosts.push(page);
        if self.ghosts.len() > ghosts_max {
            self.ghosts.pop();
        }
    }

    /// The hand goes from the oldest to the newest and stays where it was. Marks that it takes away unmap the page.
    fn evict_by_sieve(&mut self) {
        loop {
            let page = self.hand.or(self.main.first()).expect("the cache is full");
            self.hand = self.main.after(page);
            let state = self.page(page);
            if state.uses == 0 {
                self.main.remove(page);
                return self.leave(page);
            }
            (state.uses, state.mapped) = (0, false);
        }
    }

    /// Newcomers that were used again go to the main queue, where each use is another round. A page's uses can only be counted
    /// while it is unmapped: newcomers are from the first turn of the queue on, which costs one more round in it.
    fn evict_by_s3(&mut self) {
        while self.small.len() > self.capacity / 10 {
            let page = self.small.pop().expect("not empty");
            let state = self.page(page);
            match (state.mapped, state.uses) {
                (true, 1) => {
                    (state.mapped, state.uses) = (false, 0);
                    self.small.push(page);
                }
                (_, 0) => {
                    self.small.push_front(page);
                    return self.evict_newcomer(self.capacity * 9 / 10);
                }
                _ => {
                    state.mapped = false;
                    self.main.push(page);
                }
            }
        }
        loop {
            let Some(page) = self.main.pop() else {
                return self.evict_newcomer(self.capacity * 9 / 10);
            };
            let state = self.page(page);
            if state.uses == 0 {
                return self.leave(page);
            }
            (state.uses, state.mapped) = (state.uses - 1, false);
            self.main.push(page);
        }
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
