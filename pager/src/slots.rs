//! Which slots of one node's region are lent to this run, and which of these are taken.
//!
//! The node that executes allocates in every node's region without asking it; a jump tells the next one what changed
//! (module [`changes`](crate::changes)). One bit a slot, and the ranges that are lent: slabs come ([`lend`](SlotAllocator::lend)) and go
//! ([`unlend`](SlotAllocator::unlend)), and before one goes that is not free it is closed ([`close`](SlotAllocator::close)). Only `lend`, `unlend` and [`set_lent`](SlotAllocator::set_lent) allocate memory, so the rest may be called in a trap handler.

use std::ops::Range;

const BITS: u32 = u64::BITS;

/// The slots leased from one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotAllocator {
    /// Bit set: slot taken.
    words: Vec<u64>,
    /// What is lent: ascending, none empty, a gap between any two.
    lent: Vec<Range<u32>>,
    capacity: u32,
    used: u32,
    /// Slots of which none is taken any more, since they are to go back; empty as a rule.
    closed: Range<u32>,
    /// Of these, how many are taken still.
    closed_used: u32,
    /// Where the next search begins (next-fit: pages pushed one after another lie one after another).
    next: u32,
}

impl SlotAllocator {
    /// Nothing leased yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The slots below `slots`. Allocates memory.
    #[must_use]
    pub fn of(slots: u32) -> Self {
        let mut new = Self::new();
        new.grow(slots);
        new
    }

    /// Adds `slots` free slots after the last one. Allocates memory.
    ///
    /// # Panics
    /// If there would be 2^32 slots or more (16 TiB).
    pub fn grow(&mut self, slots: u32) {
        let end = self.end();
        let lent = self.lend(end..end.checked_add(slots).expect("a region has fewer than 2^32 slots"));
        debug_assert!(lent || slots == 0, "nothing is lent beyond the end");
    }

    /// A slab was leased: its slots are free. False, and nothing changes, if it is empty, or some of it is lent already. Allocates memory.
    pub fn lend(&mut self, slab: Range<u32>) -> bool {
        let at = self.lent.partition_point(|lent| lent.start < slab.start);
        let follows_well = at == 0 || self.lent[at - 1].end <= slab.start;
        let precedes_well = self.lent.get(at).is_none_or(|next| slab.end <= next.start);
        if slab.is_empty() || !follows_well || !precedes_well {
            return false;
        }
        let mut lent = std::mem::take(&mut self.lent);
        lent.insert(at, slab);
        lent.dedup_by(|next, before| {
            let touch = before.end == next.start;
            if touch {
                before.end = next.end;
            }
            touch
        });
        self.set_lent(lent)
    }

    /// A slab is given back. False, and nothing changes, if not all of it is lent and free.
    pub fn unlend(&mut self, slab: Range<u32>) -> bool {
        if slab.is_empty() || !self.is_lent(&slab) || !self.is_free(slab.clone()) {
            return false;
        }
        if slab == self.closed {
            self.open();
        }
        let at = self.lent.partition_point(|lent| lent.end <= slab.start);
        let around = self.lent[at].clone();
        let rest = [around.start..slab.start, slab.end..around.end];
        let lent = std::mem::take(&mut self.lent);
        let (before, after) = (lent[..at].iter().cloned(), lent[at + 1..].iter().cloned());
        self.set_lent(before.chain(rest.into_iter().filter(|part| !part.is_empty())).chain(after).collect())
    }

    /// What is lent is this from now on, by the word of the node that executed until now. Slots outside may still be marked as taken
    /// until its changes are applied. False, and nothing changes, if the ranges do not ascend with gaps. Allocates memory.
    pub fn set_lent(&mut self, lent: Vec<Range<u32>>) -> bool {
        let ascend = lent.iter().all(|range| !range.is_empty()) && lent.windows(2).all(|two| two[0].end < two[1].start);
        if ascend {
            self.capacity = lent.iter().map(|range| range.end - range.start).sum();
            self.lent = lent;
            let words = self.end().div_ceil(BITS) as usize;
            self.words.resize(words.max(self.words.len()), 0);
        }
        ascend
    }

    /// What is lent: ascending, none empty, a gap between any two.
    #[must_use]
    pub fn lent(&self) -> &[Range<u32>] {
        &self.lent
    }

    /// None of these slots is taken any more; those that are taken stay so until they are freed. In place of what was closed before.
    pub fn close(&mut self, slots: Range<u32>) {
        self.closed_used = self.count_used(slots.clone());
        self.closed = slots;
    }

    /// Nothing is closed any more.
    pub fn open(&mut self) {
        self.close(0..0);
    }

    /// What is closed; empty if nothing is.
    #[must_use]
    pub fn closed(&self) -> Range<u32> {
        self.closed.clone()
    }

    /// Slots that are taken of those that are closed.
    #[must_use]
    pub fn closed_used(&self) -> u32 {
        self.closed_used
    }

    /// How many of these slots are taken.
    #[must_use]
    pub fn count_used(&self, slots: Range<u32>) -> u32 {
        let masks = words_of(slots);
        masks.map(|(word, mask)| self.words.get(word).map_or(0, |bits| (bits & mask).count_ones())).sum()
    }

    /// Whether all of these slots are lent.
    #[must_use]
    pub fn is_lent(&self, slots: &Range<u32>) -> bool {
        let at = self.lent.partition_point(|lent| lent.end <= slots.start);
        self.lent.get(at).is_some_and(|lent| lent.start <= slots.start && slots.end <= lent.end)
    }

    /// Whether none of these slots is taken.
    #[must_use]
    pub fn is_free(&self, slots: Range<u32>) -> bool {
        words_of(slots).all(|(word, mask)| self.words.get(word).is_none_or(|bits| bits & mask == 0))
    }

    /// One past the last slot that is lent.
    fn end(&self) -> u32 {
        self.lent.last().map_or(0, |range| range.end)
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
        let (first, end) = self.find_lent_from(self.next).or_else(|| self.find_lent_from(0))?;
        let mut count = 1;
        while count < max && first + count < end && !self.is_used(first + count) {
            count += 1;
        }
        for index in first..first + count {
            self.words[(index / BITS) as usize] |= 1 << (index % BITS);
        }
        self.used += count;
        self.next = if first + count == self.end() { 0 } else { first + count };
        Some((first, count))
    }

    /// Gives a slot back. False, and nothing changes, if it was not taken (a bug of the caller).
    pub fn free(&mut self, index: u32) -> bool {
        let taken = self.is_used(index);
        debug_assert!(taken, "slot {index} was freed, and was free already");
        if taken {
            self.words[(index / BITS) as usize] &= !(1 << (index % BITS));
            self.used -= 1;
            self.closed_used -= u32::from(self.closed.contains(&index));
        }
        taken
    }

    /// Marks a slot as taken that another node allocated. False, and nothing changes, if it was taken or not leased
    /// (a bug of the caller, or of the other node).
    pub fn set(&mut self, index: u32) -> bool {
        let free = index.checked_add(1).is_some_and(|end| self.is_lent(&(index..end))) && !self.is_used(index);
        debug_assert!(free, "slot {index} was set, and was taken already or is not leased: {:?}", self.lent);
        if free {
            self.words[(index / BITS) as usize] |= 1 << (index % BITS);
            self.used += 1;
            self.closed_used += u32::from(self.closed.contains(&index));
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

    /// The lowest free slot from `start` on, and the end of the lent range around it.
    fn find_lent_from(&self, start: u32) -> Option<(u32, u32)> {
        let at = self.lent.partition_point(|lent| lent.end <= start);
        let clipped = self.lent[at..].iter().map(|lent| lent.start.max(start)..lent.end);
        let closed = &self.closed;
        let open = clipped.flat_map(|part| match closed.is_empty() {
            true => [part, 0..0],
            false => [part.start..part.end.min(closed.start), part.start.max(closed.end)..part.end],
        });
        let mut found = open.filter_map(|part| self.find_free(part.clone()).map(|first| (first, part.end)));
        found.next()
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

/// The words of these slots, each with a mask of the slots in it.
fn words_of(slots: Range<u32>) -> impl Iterator<Item = (usize, u64)> {
    let words = if slots.is_empty() { 0..0 } else { slots.start / BITS..(slots.end - 1) / BITS + 1 };
    words.map(move |word| {
        let first = slots.start.max(word * BITS) % BITS;
        let count = (slots.end - word * BITS).min(BITS) - first;
        (word as usize, (u64::MAX >> (BITS - count)) << first)
    })
}
