//! The books of the active queue pair: which work requests are under way, in the order they were posted, and where in the ring
//! of outgoing bytes their data lies until it is acknowledged. Pure: knows no device.

use std::collections::VecDeque;

use super::rc::Verb;

/// A work request under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    pub(super) verb: Verb,
    /// Where its bytes are: in the bounce buffer (READ), else in the ring.
    pub(super) local: usize,
    pub(super) len: usize,
    /// First byte in the peer's region (READ, WRITE).
    pub(super) offset: u64,
    /// Number of a SEND that the peer must get exactly once; 0 for the others.
    pub(super) sequence: u64,
    pub(super) signaled: bool,
    /// Where the ring is free again once it is done.
    ring_end: u64,
}

impl Entry {
    pub(super) fn new(verb: Verb, local: usize, len: usize, offset: u64) -> Entry {
        Entry { verb, local, len, offset, sequence: 0, signaled: false, ring_end: 0 }
    }

    /// Tells when it is done, if `signaled`.
    pub(super) fn signaled(self, signaled: bool) -> Entry {
        Entry { signaled, ..self }
    }

    /// A SEND of this number.
    pub(super) fn numbered(self, sequence: u64) -> Entry {
        Entry { sequence, ..self }
    }
}

/// Pieces in the ring start at multiples of this many bytes.
const ALIGN: usize = 64;

/// Work requests under way, oldest first.
pub(super) struct Log {
    entries: VecDeque<Entry>,
    entries_max: usize,
    /// Index of the oldest; indexes count all that were ever posted.
    first: u64,
    ring_len: usize,
    /// Bytes ever taken from the ring, and ever given back; both include what was skipped at its end.
    head: u64,
    tail: u64,
    /// Since the last signaled entry.
    unsignaled: usize,
    unsignaled_from: u64,
}

impl Log {
    pub(super) fn new(entries_max: usize, ring_len: usize) -> Log {
        let entries = VecDeque::with_capacity(entries_max);
        Log { entries, entries_max, first: 0, ring_len, head: 0, tail: 0, unsignaled: 0, unsignaled_from: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether one more work request may be posted.
    pub(super) fn has_room(&self) -> bool {
        self.entries.len() < self.entries_max
    }

    /// Takes `len` bytes of the ring that lie together: where they start. `None` while too much is under way.
    pub(super) fn take_ring(&mut self, len: usize) -> Option<usize> {
        let len = len.next_multiple_of(ALIGN);
        let at = (self.head % self.ring_len as u64) as usize;
        let (skipped, start) = if at + len > self.ring_len { (self.ring_len - at, 0) } else { (0, at) };
        let need = (skipped + len) as u64;
        if !self.has_room() || self.head - self.tail + need > self.ring_len as u64 {
            return None;
        }
        self.head += need;
        Some(start)
    }

    /// Enters a work request, for whose posting there is room; returns its index. It is signaled when it must be so that
    /// waiting for room always ends: every quarter of the queue, and every quarter of the ring.
    pub(super) fn push(&mut self, mut entry: Entry) -> u64 {
        debug_assert!(self.has_room());
        self.unsignaled += 1;
        let bytes = self.head - self.unsignaled_from;
        entry.signaled |= self.unsignaled >= self.entries_max / 4 || bytes >= self.ring_len as u64 / 4;
        if entry.signaled {
            (self.unsignaled, self.unsignaled_from) = (0, self.head);
        }
        entry.ring_end = self.head;
        self.entries.push_back(entry);
        self.first + self.entries.len() as u64 - 1
    }

    /// Whether the work request of this index is done.
    pub(super) fn is_done(&self, index: u64) -> bool {
        index < self.first
    }

    /// Whether the youngest will tell when it is done.
    pub(super) fn ends_signaled(&self) -> bool {
        self.entries.back().is_none_or(|entry| entry.signaled)
    }

    /// The work request of this index is done, and so are all before it. An index that is not under way changes nothing.
    pub(super) fn retire_through(&mut self, index: u64) {
        while self.first <= index
            && let Some(entry) = self.entries.pop_front()
        {
            self.first += 1;
            self.tail = entry.ring_end;
        }
    }

    /// The peer has received the SENDs up to `sequence`, hence all that was posted before the last of them.
    pub(super) fn retire_received(&mut self, sequence: u64) {
        let received = |entry: &Entry| entry.sequence != 0 && entry.sequence <= sequence;
        if let Some(last) = self.entries.iter().rposition(received) {
            self.retire_through(self.first + last as u64);
        }
    }

    /// Before all is posted again on a fresh queue pair: the last one tells when they are done.
    pub(super) fn signal_last(&mut self) {
        if let Some(last) = self.entries.back_mut() {
            last.signaled = true;
        }
        (self.unsignaled, self.unsignaled_from) = (0, self.head);
    }

    /// Indexes of all that is under way, oldest first.
    pub(super) fn indexes(&self) -> std::ops::Range<u64> {
        self.first..self.first + self.entries.len() as u64
    }

    /// The work request of this index, if it is under way.
    pub(super) fn get(&self, index: u64) -> Option<Entry> {
        self.entries.get(usize::try_from(index.checked_sub(self.first)?).ok()?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RING: usize = 4096;

    fn write(local: usize, len: usize) -> Entry {
        Entry::new(Verb::Write, local, len, 0)
    }

    proptest! {
        #[test]
        fn pieces_under_way_never_overlap_and_room_always_comes_back(lens in prop::collection::vec(1usize..=1024, 1..200)) {
            let mut log = Log::new(16, RING);
            let mut under_way: VecDeque<(u64, usize, usize, bool)> = VecDeque::new();
            for len in lens {
                let start = loop {
                    if let Some(start) = log.take_ring(len) {
                        break start;
                    }
                    // only what is signaled can tell that it is done
                    let last = under_way.iter().rposition(|piece| piece.3).expect("a signaled one");
                    log.retire_through(under_way[last].0);
                    under_way.drain(..=last);
                };
                prop_assert!(start + len <= RING);
                for &(_, other, other_len, _) in &under_way {
                    prop_assert!(start + len <= other || other + other_len <= start);
                }
                let index = log.push(write(start, len));
                let signaled = log.ends_signaled();
                under_way.push_back((index, start, len, signaled));
                prop_assert!(!log.is_done(index));
            }
        }
    }

    #[test]
    fn what_the_peer_has_received_is_not_posted_again_and_neither_is_what_came_before_it() {
        let mut log = Log::new(16, RING);
        let send = |sequence| Entry::new(Verb::Send, 0, 10, 0).numbered(sequence);
        log.push(write(0, 1));
        log.push(send(1));
        log.push(write(0, 2));
        log.push(send(2));
        log.push(write(0, 3));
        log.retire_received(1);
        log.signal_last();
        let left: Vec<_> = log.indexes().filter_map(|index| Some((index, log.get(index)?))).collect();
        let left: Vec<_> = left.iter().map(|(index, entry)| (*index, entry.len, entry.signaled)).collect();
        // every fourth of 16 is signaled, and the last
        assert_eq!(left, [(2, 2, false), (3, 10, true), (4, 3, true)]);
        log.retire_received(7);
        assert_eq!(log.indexes().count(), 1, "a write after the last message was not seen by anybody");
        log.retire_received(0);
        assert_eq!(log.indexes().count(), 1);
        log.retire_through(4);
        assert!(log.is_empty() && log.is_done(4) && !log.is_done(5));
        log.retire_through(9);
        assert!(!log.is_done(5));
    }

    #[test]
    fn a_full_queue_holds_a_signaled_entry() {
        let mut log = Log::new(16, RING);
        while log.has_room() {
            log.push(write(0, 0));
        }
        assert_eq!(log.indexes().filter(|&index| log.get(index).is_some_and(|entry| entry.signaled)).count(), 4);
    }
}
