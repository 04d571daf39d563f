//! Queues of pages, from any place of which a page can be taken: linked lists in arrays.

/// No page.
const NONE: u32 = u32::MAX;

/// A queue.
#[derive(Clone, Debug)]
pub struct Queue {
    older: Vec<u32>,
    newer: Vec<u32>,
    inside: Vec<bool>,
    first: u32,
    last: u32,
    len: usize,
}

impl Queue {
    /// For pages numbered below `pages`.
    #[must_use]
    pub fn new(pages: usize) -> Self {
        let links = || vec![NONE; pages];
        Self { older: links(), newer: links(), inside: vec![false; pages], first: NONE, last: NONE, len: 0 }
    }

    /// Number of pages.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the page is in it.
    #[must_use]
    pub fn contains(&self, page: u32) -> bool {
        self.inside[page as usize]
    }

    /// The oldest.
    #[must_use]
    pub fn first(&self) -> Option<u32> {
        (self.first != NONE).then_some(self.first)
    }

    /// The one that came after `page`, which is in it.
    #[must_use]
    pub fn after(&self, page: u32) -> Option<u32> {
        let next = self.newer[page as usize];
        (next != NONE).then_some(next)
    }

    /// Puts a page, which is not in it, at the end.
    pub fn push(&mut self, page: u32) {
        self.link(page, self.last, NONE);
    }

    /// Puts a page, which is not in it, at the front.
    pub fn push_front(&mut self, page: u32) {
        self.link(page, NONE, self.first);
    }

    /// Takes the oldest.
    pub fn pop(&mut self) -> Option<u32> {
        let first = self.first()?;
        self.remove(first);
        Some(first)
    }

    /// Takes `page`, which is in it.
    pub fn remove(&mut self, page: u32) {
        let (older, newer) = (self.older[page as usize], self.newer[page as usize]);
        *self.forward(older) = newer;
        *self.backward(newer) = older;
        self.inside[page as usize] = false;
        self.len -= 1;
    }

    fn link(&mut self, page: u32, older: u32, newer: u32) {
        self.older[page as usize] = older;
        self.newer[page as usize] = newer;
        *self.forward(older) = page;
        *self.backward(newer) = page;
        self.inside[page as usize] = true;
        self.len += 1;
    }

    /// What leads from `page`, or from the end before the oldest, to the next newer one.
    fn forward(&mut self, page: u32) -> &mut u32 {
        if page == NONE { &mut self.first } else { &mut self.newer[page as usize] }
    }

    fn backward(&mut self, page: u32) -> &mut u32 {
        if page == NONE { &mut self.last } else { &mut self.older[page as usize] }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_queue(steps in prop::collection::vec((0..4u8, 0..12u32), 0..200)) {
            let (mut queue, mut model) = (Queue::new(12), VecDeque::new());
            for (step, page) in steps {
                match step {
                    0 if !queue.contains(page) => { queue.push(page); model.push_back(page); }
                    1 if !queue.contains(page) => { queue.push_front(page); model.push_front(page); }
                    2 if queue.contains(page) => { queue.remove(page); model.retain(|other| *other != page); }
                    3 => prop_assert_eq!(queue.pop(), model.pop_front()),
                    _ => {}
                }
                let listed: Vec<_> = std::iter::successors(queue.first(), |page| queue.after(*page)).collect();
                prop_assert_eq!(&listed[..], &*model.make_contiguous());
                prop_assert_eq!(queue.len(), model.len());
            }
        }
    }
}
