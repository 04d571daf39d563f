//! Messages as SENDs: pieces, their headers, and credits.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use zerocopy::IntoBytes;
use zerocopy::little_endian::U64;

use super::active::Active;
use super::inbox::{CREDITS, PIECE_HEADER, PieceHeader};
use super::log::Entry;
use super::queue_pair::RdmaQueuePair;
use super::rc::Verb;
use super::waiter::For;
use crate::error::VerbsError;
use crate::queue_pair::QueuePair;

impl RdmaQueuePair {
    /// Header of the next SEND; tells the peer what was taken so far.
    fn header(&mut self, sequence: u64) -> PieceHeader {
        self.told = self.credits.consumed.load(Ordering::Acquire);
        PieceHeader { sequence: U64::new(sequence), consumed: U64::new(self.told) }
    }

    /// Returns credits when the peer may be short of them.
    pub(super) fn return_credits(&mut self) -> Result<(), VerbsError> {
        if self.credits.consumed.load(Ordering::Acquire) - self.told < CREDITS / 2 {
            return Ok(());
        }
        self.send_credits().map(|_| ())
    }

    /// One SEND with nothing but credits; returns its index.
    pub(super) fn send_credits(&mut self) -> Result<u64, VerbsError> {
        let at = self.take_ring(PIECE_HEADER)?;
        let header = self.header(0);
        self.active.put(Entry::new(Verb::Send, at, PIECE_HEADER, 0), &[header.as_bytes()])
    }

    /// Waits until that SEND has arrived.
    pub(super) fn verify(&mut self) -> Result<(), VerbsError> {
        self.send_credits()?;
        self.flush()
    }

    fn wait_for_credit(&mut self) -> Result<(), VerbsError> {
        let (credits, sent) = (Arc::clone(&self.credits), self.sent);
        let has_credit = |_: &mut Active| sent < credits.consumed_by_peer.load(Ordering::Acquire) + CREDITS;
        if has_credit(&mut self.active) {
            return Ok(());
        }
        self.waiter.until(&mut self.active, For::Credits, has_credit)
    }

    /// Sends the next `len` bytes of `bytes` as one SEND; returns its index.
    pub(super) fn send_piece(&mut self, bytes: &mut Gather<'_>, len: usize, last: bool) -> Result<u64, VerbsError> {
        self.wait_for_credit()?;
        let at = self.take_ring(PIECE_HEADER + len)?;
        let mut done = PIECE_HEADER;
        while done < PIECE_HEADER + len {
            let part = bytes.next(PIECE_HEADER + len - done);
            self.active.fill(at + done, part);
            done += part.len();
        }
        self.sent += 1;
        let header = self.header(self.sent);
        let entry = Entry::new(Verb::Send, at, done, 0).numbered(self.sent).signaled(last);
        self.active.put(entry, &[header.as_bytes()])
    }
}

/// The bytes of several slices, one after the other.
pub(super) struct Gather<'a> {
    slices: std::slice::Iter<'a, &'a [u8]>,
    current: &'a [u8],
}

impl<'a> Gather<'a> {
    pub(super) fn new(first: &'a [u8], then: &'a [&'a [u8]]) -> Gather<'a> {
        Gather { slices: then.iter(), current: first }
    }

    /// The next bytes that lie together, at most `len`; at least one is left.
    fn next(&mut self, len: usize) -> &'a [u8] {
        while self.current.is_empty() {
            self.current = self.slices.next().expect("as many bytes as were counted");
        }
        let (now, later) = self.current.split_at(len.min(self.current.len()));
        self.current = later;
        now
    }
}
