//! Which slots of one node's region are taken.
//!
//! The node that executes allocates in every node's region without asking it; a jump tells the next one what changed
//! (module [`changes`](crate::changes)). One bit a slot; only [`grow`](SlotAllocator::grow) allocates memory, so the
//! rest may be called in a trap handler.

use std::ops::Range;

const BITS: u32 = u64::BITS;

/// The slots leased from one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotAllocator {
    /// Bit set: slot taken. Bits past the capacity are 0.
    words: Vec<u64>,
    capacity: u32,
    used: u32,
    /// Where the next search begins (next-fit: pages pushed one after another lie one after another).
    next: u32,
}

impl SlotAllocator {
    /// Nothing leased yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `slots` free slots at the end: a slab was leased. Allocates memory.
    ///
    /// # Panics
    /// If there would be 2^32 slots or more (16 TiB).
    pub fn grow(&mut self, slots: u32) {
        let capacity = self.capacity.checked_add(slots).expect("a region has fewer than 2^32 slots");
        self.words.resize(capacity.div_ceil(BITS) as usize, 0);
        self.capacity = capacity;
    }

    /// Takes one free slot. `None` if all are taken.
    pub fn alloc(&mut self) -> Option<u32> {
        self.alloc_run(1).map(|(first, _)| first)
    }

    /// Takes the next free slots that lie together, at most `max` of them; returns the first and how many (at least 1).
    /// `None` if all are taken or `max` is 0.
    pub fn alloc_run(&mut self, max: u32) -> Option<(u32, u32)> {
        if max == 0 || self.used == self.capacity {
            return None;
        }
        let start = self.next;
        let first = self.find_free(start..self.capacity).or_else(|| self.find_free(0..start))?;
        let mut count = 1;
        while count < max && first + count < self.capacity && !self.is_used(first + count) {
            count += 1;
        }
        for index in first..first + count {
            self.words[(index / BITS) as usize] |= 1 << (index % BITS);
        }
        self.used += count;
        self.next = if first + count == self.capacity { 0 } else { first + count };
        Some((first, count))
    }

    /// Gives a slot back. False, and nothing changes, if it was not taken (a bug of the caller).
    pub fn free(&mut self, index: u32) -> bool {
        let taken = self.is_used(index);
        debug_assert!(taken, "slot {index} was freed, and was free already");
        if taken {
            self.words[(index / BITS) as usize] &= !(1 << (index % BITS));
            self.used -= 1;
        }
        taken
    }

    /// Marks a slot as taken that another node allocated. False, and nothing changes, if it was taken or not leased
    /// (a bug of the caller, or of the other node).
    pub fn set(&mut self, index: u32) -> bool {
        let free = index < self.capacity && !self.is_used(index);
        debug_assert!(free, "slot {index} of {} was set, and was taken already or is not leased", self.capacity);
        if free {
            self.words[(index / BITS) as usize] |= 1 << (index % BITS);
            self.used += 1;
        }
        free
    }

    /// Whether a slot is taken; false for one that is not leased.
    #[must_use]
    pub fn is_used(&self, index: u32) -> bool {
        self.words.get((index / BITS) as usize).is_some_and(|word| word >> (index % BITS) & 1 == 1)
    }

    /// Number of slots taken.
    #[must_use]
    pub fn used(&self) -> u32 {
        self.used
    }

    /// Number of slots leased.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Number of slots leased and not taken.
    #[must_use]
    pub fn available(&self) -> u32 {
        self.capacity - self.used
    }

    /// The lowest free slot in `within`.
    fn find_free(&self, within: Range<u32>) -> Option<u32> {
        let mut index = within.start;
        while index < within.end {
            let taken_from_here = (self.words[(index / BITS) as usize] >> (index % BITS)).trailing_ones();
            let in_word = BITS - index % BITS;
            if taken_from_here < in_word {
                return Some(index + taken_from_here).filter(|found| *found < within.end);
            }
            index = index.saturating_add(in_word);
        }
        None
    }
}
