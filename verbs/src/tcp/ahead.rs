//! What was read ahead: which ranges of the peer's region are on their way or here, and where their bytes lie.
//!
//! Invariant: the entries are in the order of their requests, so that those that have arrived come first; their places in the memory
//! are in that order too, round and round, and do not overlap. An entry is *good* while its bytes are what the region holds.

use std::collections::VecDeque;

use crate::PAGE;

/// Bytes that can be read ahead: several windows of the largest size.
pub(super) const AHEAD_BYTES: usize = 1 << 20;
/// Most ranges under way: with their requests, 2 KiB, a socket is never full.
const ENTRIES_MAX: usize = 128;

/// One range of the peer's region.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    pub(super) offset: u64,
    pub(super) len: usize,
    /// Where in the memory its bytes come.
    pub(super) at: usize,
    /// They come in blocks.
    pub(super) packed: bool,
    good: bool,
}

/// The book of one link. Allocates at the start only.
#[derive(Debug)]
pub(super) struct Ahead {
    entries: VecDeque<Entry>,
    /// So many of the first have arrived.
    arrived: usize,
}

impl Ahead {
    pub(super) fn new() -> Self {
        Self { entries: VecDeque::with_capacity(ENTRIES_MAX), arrived: 0 }
    }

    /// Makes an entry for a range that will be requested now. `None` if there is no room: then it must not be.
    pub(super) fn admit(&mut self, offset: u64, len: usize, packed: bool) -> Option<()> {
        loop {
            if let Some(at) = self.place(len) {
                self.entries.push_back(Entry { offset, len, at, packed, good: true });
                return Some(());
            }
            // what has arrived and was not asked for has had its time
            if self.arrived == 0 {
                return None;
            }
            self.drop_first();
        }
    }

    /// The next range whose bytes have not come; call [`arrive`](Self::arrive) when they have.
    pub(super) fn next_outstanding(&self) -> Option<Entry> {
        self.entries.get(self.arrived).copied()
    }

    pub(super) fn arrive(&mut self) {
        debug_assert!(self.arrived < self.entries.len());
        self.arrived += 1;
    }

    /// Number of entries; each was requested, but those that were admitted since the last request.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many of the first have arrived.
    pub(super) fn arrived(&self) -> usize {
        self.arrived
    }

    /// The good entry that holds the whole range: its index, and where its bytes are or will be.
    pub(super) fn find(&self, offset: u64, len: usize) -> Option<(usize, usize)> {
        let holds = |entry: &Entry| {
            entry.good && entry.offset <= offset && offset + len as u64 <= entry.offset + entry.len as u64
        };
        let index = self.entries.iter().position(holds)?;
        let entry = &self.entries[index];
        Some((index, entry.at + (offset - entry.offset) as usize))
    }

    /// A range is taken out of entry `index`; the entry is used up with its last byte. The bytes stay until the next [`admit`](Self::admit).
    pub(super) fn take(&mut self, index: usize, offset: u64, len: usize) {
        let entry = &mut self.entries[index];
        entry.good &= offset + (len as u64) < entry.offset + entry.len as u64;
    }

    /// The region changes there.
    pub(super) fn spoil(&mut self, offset: u64, len: usize) {
        let end = offset.saturating_add(len as u64);
        for entry in &mut self.entries {
            entry.good &= entry.offset >= end || offset >= entry.offset + entry.len as u64;
        }
    }

    /// The region may change anywhere.
    pub(super) fn spoil_all(&mut self) {
        self.entries.iter_mut().for_each(|entry| entry.good = false);
    }

    /// Free memory of `len` bytes after the last entry. What is used up is let go of first.
    fn place(&mut self, len: usize) -> Option<usize> {
        while self.arrived > 0 && !self.entries[0].good {
            self.drop_first();
        }
        if self.entries.len() == ENTRIES_MAX {
            return None;
        }
        let (Some(first), Some(last)) = (self.entries.front(), self.entries.back()) else {
            return (len <= AHEAD_BYTES).then_some(0);
        };
        let (head, tail) = (first.at, (last.at + last.len).next_multiple_of(PAGE));
        if head < tail {
            if tail + len <= AHEAD_BYTES {
                return Some(tail);
            }
            return (len <= head).then_some(0);
        }
        (tail + len <= head).then_some(tail)
    }

    fn drop_first(&mut self) {
        self.entries.pop_front();
        self.arrived -= 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Admit(u64, usize),
        Arrive,
        Take(u64, usize),
        Spoil(u64, usize),
        SpoilAll,
    }

    fn any_step() -> impl Strategy<Value = Step> {
        let (offset, len) = (0..64_u64, 1..70_usize);
        prop_oneof![
            6 => (offset.clone(), len.clone()).prop_map(|(at, len)| Step::Admit(at << 12, len << 12)),
            4 => Just(Step::Arrive),
            4 => (offset.clone(), 1..20_usize).prop_map(|(at, len)| Step::Take(at << 12, len << 12)),
            2 => (offset, len).prop_map(|(at, len)| Step::Spoil(at << 12, len << 12)),
            1 => Just(Step::SpoilAll),
        ]
    }

    proptest! {
        /// The region has a version that changes with every write; what is found was requested since the last write there.
        #[test]
        fn what_is_found_is_what_the_region_holds(steps in prop::collection::vec(any_step(), 1..300)) {
            let mut ahead = Ahead::new();
            // for each page of the region, when it was last written; for each page of the memory, which page of the region it holds since when
            let mut written = vec![0; 256];
            let mut memory = vec![(0_u64, 0); AHEAD_BYTES >> 12];
            for (now, step) in (1..).zip(steps) {
                match step {
                    Step::Admit(offset, len) => {
                        let before: Vec<_> = ahead.entries.iter().copied().collect();
                        if ahead.admit(offset, len, false).is_some() {
                            let new = *ahead.entries.back().expect("admitted");
                            prop_assert!(new.at + len <= AHEAD_BYTES);
                            for old in ahead.entries.iter().take(ahead.entries.len() - 1) {
                                prop_assert!(before.contains(old));
                                prop_assert!(old.at >= new.at + new.len || new.at >= old.at + old.len, "overlap");
                            }
                            for page in 0..len >> 12 {
                                memory[(new.at >> 12) + page] = ((offset >> 12) + page as u64, now);
                            }
                        }
                    }
                    Step::Arrive => if ahead.next_outstanding().is_some() { ahead.arrive() },
                    Step::Take(offset, len) => if let Some((index, at)) = ahead.find(offset, len) {
                        for page in 0..len >> 12 {
                            let (holds, since) = memory[(at >> 12) + page];
                            prop_assert_eq!(holds, (offset >> 12) + page as u64);
                            prop_assert!(written[holds as usize] < since, "stale");
                        }
                        ahead.take(index, offset, len);
                    },
                    Step::Spoil(offset, len) => {
                        ahead.spoil(offset, len);
                        for page in 0..len >> 12 { written[(offset >> 12) as usize + page] = now; }
                    }
                    Step::SpoilAll => {
                        ahead.spoil_all();
                        written.fill(now);
                    }
                }
                prop_assert!(ahead.arrived <= ahead.entries.len() && ahead.entries.len() <= ENTRIES_MAX);
            }
        }
    }

    #[test]
    fn what_is_under_way_keeps_its_place_and_what_has_come_does_not() {
        let mut ahead = Ahead::new();
        let big = AHEAD_BYTES / 2;
        assert!(ahead.admit(0, big, false).is_some() && ahead.admit(big as u64, big, false).is_some());
        assert!(ahead.admit(0, 4096, false).is_none(), "the memory is taken");
        ahead.arrive();
        assert!(ahead.admit(4096, 4096, false).is_some());
        assert_eq!(ahead.find(0, big), None, "let go of");
    }
}
