//! A ring of bytes in shared memory, from one process to another.
//!
//! # Safety
//! Each ring has one writer, which owns `head` and the bytes outside `tail..head`, and one reader, which owns `tail` and the
//! bytes inside. `head` and `tail` only grow; each side keeps its own in private memory and believes the other's only
//! when the distance is possible, so that a peer gone wrong can spoil messages but not our memory. The mapping lives as long
//! as the ends do: they hold it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use crate::region::Mapping;

/// Bytes in one ring (a power of two).
pub(super) const CAPACITY: usize = 1 << 20;
/// Bytes of one ring in memory: control words, then data.
const STRIDE: usize = 4096 + CAPACITY;
/// Bytes of both rings of a link.
pub(super) const BOTH: usize = 2 * STRIDE;

/// Control words, each pair of them in a cache line of its own. Zeroed memory is an empty ring.
#[repr(C, align(4096))]
struct Control {
    head: Line<AtomicU64>,
    tail: Line<AtomicU64>,
    reader_sleeps: Line<AtomicU32>,
    writer_sleeps: Line<AtomicU32>,
}

#[repr(C, align(64))]
struct Line<T>(T);

const _: () = assert!(size_of::<Control>() == 4096 && CAPACITY.is_power_of_two());

/// The peer put impossible numbers into the ring.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Corrupt;

/// What both ends share.
struct Ring {
    memory: Arc<Mapping>,
    start: usize,
}

impl Ring {
    fn new(memory: Arc<Mapping>, number: usize) -> Ring {
        assert!(number < 2 && memory.len() == BOTH, "a link has two rings");
        Ring { memory, start: number * STRIDE }
    }

    fn control(&self) -> &Control {
        // SAFETY: page-aligned, inside the mapping; atomics may be shared with another process.
        unsafe { &*self.memory.base().add(self.start).cast::<Control>() }
    }

    /// Where byte `at` of the stream lies, and how many bytes there are from it to the end of the ring.
    fn place(&self, at: u64) -> (*mut u8, usize) {
        let index = at as usize & (CAPACITY - 1);
        // SAFETY: index < CAPACITY, so the address is inside the mapping.
        (unsafe { self.memory.base().add(self.start + 4096 + index) }, CAPACITY - index)
    }
}

/// Sets a `sleeps` flag before a last look at the ring. The fence orders the flag before the look; the other side has the
/// mirror image (publish, fence, look at the flag), so at least one of the two sees the other.
fn fall_asleep(flag: &AtomicU32) {
    flag.store(1, Ordering::Relaxed);
    fence(Ordering::SeqCst);
}

/// Whether the other side must be woken; it is, once.
fn must_wake(flag: &AtomicU32) -> bool {
    fence(Ordering::SeqCst);
    flag.load(Ordering::Relaxed) != 0 && flag.swap(0, Ordering::Relaxed) != 0
}

/// The sending end.
pub(super) struct Writer {
    ring: Ring,
    head: u64,
    published: u64,
}

impl Writer {
    pub(super) fn new(memory: Arc<Mapping>, number: usize) -> Writer {
        Writer { ring: Ring::new(memory, number), head: 0, published: 0 }
    }

    fn free(&self) -> Result<usize, Corrupt> {
        let tail = self.ring.control().tail.0.load(Ordering::Acquire);
        let used = self.head.wrapping_sub(tail);
        usize::try_from(used).ok().and_then(|used| CAPACITY.checked_sub(used)).ok_or(Corrupt)
    }

    /// Copies as much of `bytes` as there is room for; returns how much. The reader does not see it yet.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<usize, Corrupt> {
        let count = bytes.len().min(self.free()?);
        let mut done = 0;
        while done < count {
            let (place, room) = self.ring.place(self.head);
            let piece = room.min(count - done);
            // SAFETY: `piece` bytes are inside `bytes`, inside the ring, and free, so the reader does not look at them.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr().add(done), place, piece) };
            self.head += piece as u64;
            done += piece;
        }
        Ok(count)
    }

    pub(super) fn unpublished(&self) -> usize {
        (self.head - self.published) as usize
    }

    /// Shows the reader what was pushed. `true`: it sleeps and must be woken.
    pub(super) fn publish(&mut self) -> bool {
        self.published = self.head;
        let control = self.ring.control();
        control.head.0.store(self.head, Ordering::Release);
        must_wake(&control.reader_sleeps.0)
    }

    pub(super) fn has_room(&self) -> Result<bool, Corrupt> {
        Ok(self.free()? > 0)
    }

    /// Before sleeping until there is room. `false`: there is some, do not sleep.
    pub(super) fn arm(&self) -> Result<bool, Corrupt> {
        fall_asleep(&self.ring.control().writer_sleeps.0);
        Ok(self.free()? == 0)
    }

    pub(super) fn disarm(&self) {
        self.ring.control().writer_sleeps.0.store(0, Ordering::Relaxed);
    }
}

/// The receiving end.
pub(super) struct Reader {
    ring: Ring,
    tail: u64,
}

impl Reader {
    pub(super) fn new(memory: Arc<Mapping>, number: usize) -> Reader {
        Reader { ring: Ring::new(memory, number), tail: 0 }
    }

    fn filled(&self) -> Result<usize, Corrupt> {
        let head = self.ring.control().head.0.load(Ordering::Acquire);
        usize::try_from(head.wrapping_sub(self.tail)).ok().filter(|&filled| filled <= CAPACITY).ok_or(Corrupt)
    }

    /// The next bytes that lie together; empty when there are none.
    pub(super) fn peek(&self) -> Result<&[u8], Corrupt> {
        let filled = self.filled()?;
        let (place, room) = self.ring.place(self.tail);
        // SAFETY: inside the ring and filled: the writer leaves these bytes alone until `consume`.
        Ok(unsafe { std::slice::from_raw_parts(place, filled.min(room)) })
    }

    /// Gives `count` bytes back that `peek` has shown. `true`: the writer waits for room and must be woken.
    pub(super) fn consume(&mut self, count: usize) -> bool {
        self.tail += count as u64;
        let control = self.ring.control();
        control.tail.0.store(self.tail, Ordering::Release);
        must_wake(&control.writer_sleeps.0)
    }

    /// Before sleeping until bytes come. `true`: some are there (or the ring is corrupt, which the next look tells).
    pub(super) fn arm(&self) -> bool {
        fall_asleep(&self.ring.control().reader_sleeps.0);
        self.filled() != Ok(0)
    }

    pub(super) fn disarm(&self) {
        self.ring.control().reader_sleeps.0.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::sealed_memory;
    use proptest::prelude::*;

    fn ring() -> (Writer, Reader, Arc<Mapping>) {
        let memory = sealed_memory("eos-test", BOTH).expect("memory");
        let mapping = Arc::new(Mapping::new(&memory, BOTH).expect("mapped"));
        (Writer::new(Arc::clone(&mapping), 1), Reader::new(Arc::clone(&mapping), 1), mapping)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]
        #[test]
        fn bytes_come_out_in_order_whatever_the_pieces(pieces in prop::collection::vec(0..=CAPACITY, 1..12)) {
            let (mut writer, mut reader, _memory) = ring();
            let (mut sent, mut got) = (0u64, 0u64);
            for piece in pieces {
                let bytes: Vec<u8> = (sent..sent + piece as u64).map(|n| (n % 251) as u8).collect();
                sent += writer.push(&bytes).expect("sound") as u64;
                writer.publish();
                // take about half of what is there
                let mut left = (sent - got).div_ceil(2);
                while left > 0 {
                    let seen = reader.peek().expect("sound");
                    let count = seen.len().min(left as usize);
                    prop_assert!(count > 0);
                    for (index, &byte) in seen[..count].iter().enumerate() {
                        prop_assert_eq!(u64::from(byte), (got + index as u64) % 251);
                    }
                    reader.consume(count);
                    got += count as u64;
                    left -= count as u64;
                }
            }
        }
    }

    #[test]
    fn only_a_sleeper_is_woken_and_only_once() {
        let (mut writer, mut reader, _memory) = ring();
        assert_eq!(writer.push(b"a").expect("sound"), 1);
        assert!(!writer.publish());
        assert!(reader.arm(), "bytes are there");
        reader.disarm();
        reader.consume(1);
        assert!(!reader.arm());
        writer.push(b"b").expect("sound");
        assert!(writer.publish());
        assert!(!writer.publish());
    }

    #[test]
    fn impossible_numbers_from_the_peer_are_noticed() {
        let (mut writer, reader, _memory) = ring();
        writer.ring.control().head.0.store(CAPACITY as u64 + 1, Ordering::Relaxed);
        assert!(reader.peek().is_err());
        writer.ring.control().tail.0.store(1, Ordering::Relaxed);
        assert!(writer.push(b"x").is_err());
        assert!(writer.arm().is_err());
    }
}
