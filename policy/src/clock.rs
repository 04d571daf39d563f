//! Second chance: a ring of pages in the order in which they came in. A page that was used since the hand last passed
//! is passed over once. (F. J. Corbató, A Paging Experiment with the Multics System, 1968.)
//!
//! The ring holds page numbers only; whether a page was used, is pinned, or is gone, the caller says when asked. A page is
//! to be in the ring once at most: the page table's QUEUED bit says whether it is. Nothing but `new` allocates memory.

/// What is to become of the page under the hand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Cold: it is the victim, and leaves the ring.
    Evict,
    /// Used since the hand last passed (the caller has cleared the mark): back to the end.
    SecondChance,
    /// Not resident any more: it leaves the ring.
    Forget,
    /// Pinned, or being moved: back to the end.
    Keep,
}

/// The ring is full, and nothing in it could be forgotten: resident pages outnumber the capacity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RingFull;

/// The ring.
#[derive(Debug)]
pub struct Clock {
    ring: Box<[u64]>,
    /// Index of the page under the hand, the oldest.
    hand: usize,
    len: usize,
}

impl Clock {
    /// A ring for `capacity` pages: at least as many as can be resident, with some room so that compaction is rare.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { ring: vec![0; capacity].into_boxed_slice(), hand: 0, len: 0 }
    }

    /// Puts `page` at the end.
    ///
    /// # Errors
    /// If the ring is full: [`compact`](Self::compact) it.
    pub fn push(&mut self, page: u64) -> Result<(), RingFull> {
        if self.len == self.ring.len() {
            return Err(RingFull);
        }
        let end = self.index(self.len);
        self.ring[end] = page;
        self.len += 1;
        Ok(())
    }

    /// Puts `page` at the end; if the ring is full, first forgets the pages that are not `live` any more.
    ///
    /// # Errors
    /// If all are.
    pub fn push_or_compact(&mut self, page: u64, live: impl FnMut(u64) -> bool) -> Result<(), RingFull> {
        if self.len == self.ring.len() {
            self.compact(live);
        }
        self.push(page)
    }

    /// The next victim, which leaves the ring. `judge` is asked for each page that the hand passes; every page is
    /// passed at most twice, so that `None` comes after `2 * len` questions at the latest, and means that all pages are
    /// kept, or that all were used again while the hand went round.
    pub fn next_victim(&mut self, mut judge: impl FnMut(u64) -> Verdict) -> Option<u64> {
        for _ in 0..2 * self.len {
            if self.len == 0 {
                break;
            }
            let page = self.pop();
            match judge(page) {
                Verdict::Evict => return Some(page),
                Verdict::Forget => {}
                Verdict::SecondChance | Verdict::Keep => {
                    let end = self.index(self.len);
                    self.ring[end] = page;
                    self.len += 1;
                }
            }
        }
        None
    }

    /// Forgets all pages that are not `live`; the others keep their order. Returns how many were forgotten.
    pub fn compact(&mut self, mut live: impl FnMut(u64) -> bool) -> usize {
        let before = self.len;
        let mut kept = 0;
        for i in 0..before {
            let page = self.ring[self.index(i)];
            if live(page) {
                let to = self.index(kept);
                self.ring[to] = page;
                kept += 1;
            }
        }
        self.len = kept;
        before - kept
    }

    /// Number of pages in the ring.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no page is in the ring.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of pages that the ring has room for.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.ring.len()
    }

    /// The pages, from the one under the hand on.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        (0..self.len).map(|i| self.ring[self.index(i)])
    }

    /// Takes the page under the hand out. The ring must not be empty.
    fn pop(&mut self) -> u64 {
        let page = self.ring[self.hand];
        self.hand = self.index(1);
        self.len -= 1;
        page
    }

    /// Index of the i-th page from the hand.
    fn index(&self, i: usize) -> usize {
        let index = self.hand + i;
        if index >= self.ring.len() { index - self.ring.len() } else { index }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, VecDeque};

    use proptest::prelude::*;

    use super::*;

    fn ring(pages: impl IntoIterator<Item = u64>) -> Clock {
        let mut clock = Clock::new(8);
        for page in pages {
            clock.push(page).expect("room");
        }
        clock
    }

    #[test]
    fn a_used_page_gets_one_second_chance() {
        let mut clock = ring([1, 2, 3]);
        let mut used = BTreeSet::from([1, 2, 3]);
        let mut judge = |page| {
            if used.remove(&page) { Verdict::SecondChance } else { Verdict::Evict }
        };
        assert_eq!(clock.next_victim(&mut judge), Some(1));
        assert_eq!(clock.next_victim(&mut judge), Some(2));
    }

    #[test]
    fn the_hand_gives_up_when_all_pages_are_pinned() {
        let mut clock = ring(0..5);
        let mut asked = 0;
        let victim = clock.next_victim(|_| {
            asked += 1;
            Verdict::Keep
        });
        assert_eq!((victim, asked, clock.len()), (None, 10, 5));
    }

    #[test]
    fn a_full_ring_makes_room_by_forgetting_pages_that_are_gone() {
        let mut clock = ring(0..8);
        assert_eq!(clock.push(8), Err(RingFull));
        assert_eq!(clock.push_or_compact(8, |_| true), Err(RingFull));
        assert_eq!(clock.push_or_compact(8, |page| page % 2 == 1), Ok(()));
        assert_eq!(clock.iter().collect::<Vec<_>>(), [1, 3, 5, 7, 8]);
    }

    #[test]
    fn an_empty_ring_has_no_victim() {
        assert_eq!(Clock::new(0).next_victim(|_| Verdict::Evict), None);
        assert_eq!(Clock::new(0).push(1), Err(RingFull));
    }

    fn verdict(code: u8) -> Verdict {
        [Verdict::Evict, Verdict::SecondChance, Verdict::Forget, Verdict::Keep][usize::from(code & 3)]
    }

    proptest! {
        #[test]
        fn the_ring_is_a_queue(steps in prop::collection::vec((0..3u8, any::<[u8; 4]>()), 0..200)) {
            let (mut clock, mut queue) = (Clock::new(7), VecDeque::new());
            for (n, (step, codes)) in (0u64..).zip(steps) {
                match step {
                    0 => {
                        prop_assert_eq!(clock.push(n).is_ok(), queue.len() < 7);
                        if queue.len() < 7 { queue.push_back(n); }
                    }
                    1 => {
                        let judge = |page: u64| verdict(codes[(page % 4) as usize]);
                        let mut expected = None;
                        for _ in 0..2 * queue.len() {
                            let Some(page) = queue.pop_front() else { break };
                            match judge(page) {
                                Verdict::Evict => { expected = Some(page); break; }
                                Verdict::Forget => {}
                                _ => queue.push_back(page),
                            }
                        }
                        prop_assert_eq!(clock.next_victim(judge), expected);
                    }
                    _ => {
                        let live = |page: u64| codes[(page % 4) as usize] & 1 == 0;
                        let before = queue.len();
                        queue.retain(|page| live(*page));
                        prop_assert_eq!(clock.compact(live), before - queue.len());
                    }
                }
                prop_assert_eq!(clock.iter().collect::<VecDeque<_>>(), queue.clone());
            }
        }
    }
}
