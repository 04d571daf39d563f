//! A queue of pages in a buffer of fixed size.

/// The ring is full, and nothing in it could be forgotten: resident pages outnumber the capacity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RingFull;

/// The ring: pages in the order in which they were put into it.
#[derive(Debug)]
pub struct Ring {
    pages: Box<[u64]>,
    /// Index of the oldest page.
    first: usize,
    len: usize,
}

impl Ring {
    /// A ring for `capacity` pages.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { pages: vec![0; capacity].into_boxed_slice(), first: 0, len: 0 }
    }

    /// Puts `page` at the end; if the ring is full, first forgets the pages that are not `live` any more.
    ///
    /// # Errors
    /// If all are.
    pub fn push(&mut self, page: u64, live: impl FnMut(u64) -> bool) -> Result<(), RingFull> {
        if self.len == self.pages.len() {
            self.compact(live);
        }
        if self.len == self.pages.len() {
            return Err(RingFull);
        }
        let end = self.index(self.len);
        self.pages[end] = page;
        self.len += 1;
        Ok(())
    }

    /// Takes the oldest page out.
    pub fn pop(&mut self) -> Option<u64> {
        if self.len == 0 {
            return None;
        }
        let page = self.pages[self.first];
        self.first = self.index(1);
        self.len -= 1;
        Some(page)
    }

    /// Number of pages.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The pages, from the oldest on.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        (0..self.len).map(|i| self.pages[self.index(i)])
    }

    /// Forgets all pages that are not `live`; the others keep their order.
    fn compact(&mut self, mut live: impl FnMut(u64) -> bool) {
        let mut kept = 0;
        for i in 0..self.len {
            let page = self.pages[self.index(i)];
            if live(page) {
                let to = self.index(kept);
                self.pages[to] = page;
                kept += 1;
            }
        }
        self.len = kept;
    }

    /// Index of the i-th page from the oldest.
    fn index(&self, i: usize) -> usize {
        let index = self.first + i;
        if index >= self.pages.len() { index - self.pages.len() } else { index }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_full_ring_makes_room_by_forgetting_pages_that_are_gone() {
        let mut ring = Ring::new(8);
        (0..8).for_each(|page| ring.push(page, |_| true).expect("room"));
        assert_eq!(ring.push(8, |_| true), Err(RingFull));
        assert_eq!(ring.push(8, |page| page % 2 == 1), Ok(()));
        assert_eq!(ring.iter().collect::<Vec<_>>(), [1, 3, 5, 7, 8]);
        assert_eq!(Ring::new(0).push(1, |_| true), Err(RingFull));
    }

    proptest! {
        #[test]
        fn the_ring_is_a_queue(steps in prop::collection::vec((0..3_u8, any::<[bool; 4]>()), 0..200)) {
            let (mut ring, mut queue) = (Ring::new(7), VecDeque::new());
            for (page, (step, lives)) in (0_u64..).zip(steps) {
                if step == 0 {
                    prop_assert_eq!(ring.pop(), queue.pop_front());
                } else {
                    let live = |page: u64| lives[(page % 4) as usize];
                    if queue.len() == 7 {
                        queue.retain(|page| live(*page));
                    }
                    let room = queue.len() < 7;
                    if room {
                        queue.push_back(page);
                    }
                    prop_assert_eq!(ring.push(page, live).is_ok(), room);
                }
                prop_assert_eq!(ring.iter().collect::<VecDeque<_>>(), queue.clone());
                prop_assert_eq!(ring.len(), queue.len());
            }
        }
    }
}
