//! One end of an rdma link.

use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use zerocopy::IntoBytes;
use zerocopy::little_endian::U64;

use super::active::{Active, Loss, WRITE_MAX};
use super::control::{Servant, lock};
use super::inbox::{CREDITS, Credits, Inbox, ONE_SEND, PIECE_HEADER, PieceHeader};
use super::log::Entry;
use super::memory::Registration;
use super::rc::Verb;
use super::waiter::{For, Waiter};
use crate::error::VerbsError;
use crate::message::{self, HEADER};
use crate::names::{NodeId, PeerName, TransportKind};
use crate::queue_pair::{Counters, QueuePair, TRANSFER_MAX};

/// READs of a list from one completion to the next.
const READS_A_COMPLETION: usize = 8;

/// One end of an rdma link: posts on its active queue pair, receives on its passive one.
pub struct RdmaQueuePair {
    /// Serves the peer's requests on the control connection; goes first, so that nobody else holds the inbox then.
    pub(super) _servant: Servant,
    pub(super) active: Active,
    pub(super) inbox: Arc<Mutex<Inbox>>,
    pub(super) waiter: Waiter,
    pub(super) credits: Arc<Credits>,
    /// Pieces of messages sent.
    pub(super) sent: u64,
    /// Pieces taken that the peer knows of.
    pub(super) told: u64,
    pub(super) peer: PeerName,
    pub(super) peer_region_len: u64,
    pub(super) counters: Counters,
    pub(super) _registration: Arc<Registration>,
}

impl RdmaQueuePair {
    fn check(&self, what: &'static str, offset: u64, len: usize) -> Result<(), VerbsError> {
        let peer = || self.peer.clone();
        if len > TRANSFER_MAX {
            return Err(VerbsError::TooLong { peer: peer(), what, len, limit: TRANSFER_MAX });
        }
        match offset.checked_add(len as u64) {
            Some(end) if end <= self.peer_region_len => self.active.alive(),
            _ => Err(VerbsError::OutOfRange { peer: peer(), offset, len, region_len: self.peer_region_len }),
        }
    }

    /// Waits until one more work request may be posted.
    fn make_room(&mut self) -> Result<(), VerbsError> {
        if self.active.log.has_room() {
            return Ok(());
        }
        self.waiter.until(&mut self.active, For::Completions, |active| active.log.has_room())
    }

    /// Waits until `len` bytes of the ring are free, and takes them.
    fn take_ring(&mut self, len: usize) -> Result<usize, VerbsError> {
        let mut place = self.active.log.take_ring(len);
        if place.is_none() {
            self.waiter.until(&mut self.active, For::Completions, |active| {
                place = active.log.take_ring(len);
                place.is_some()
            })?;
        }
        Ok(place.expect("waited for it"))
    }

    fn wait_for(&mut self, index: u64) -> Result<(), VerbsError> {
        self.waiter.until(&mut self.active, For::Completions, |active| active.log.is_done(index))
    }

    /// Posts as many of `reads` as the queue and the bounce buffer take; returns the index of the first, and how many.
    fn post_reads(&mut self, reads: &[(u64, usize)]) -> Result<(u64, usize), VerbsError> {
        let (mut first, mut count, mut at) = (None, 0, 0);
        for (number, &(offset, len)) in reads.iter().enumerate() {
            if number > 0 && (!self.active.log.has_room() || at + len > TRANSFER_MAX) {
                break;
            }
            self.make_room()?;
            let next_fits = reads.get(number + 1).is_some_and(|next| at + len + next.1 <= TRANSFER_MAX);
            let signaled = (number + 1) % READS_A_COMPLETION == 0 || !next_fits;
            let index = self.active.read(offset, at, len, signaled)?;
            first.get_or_insert(index);
            (count, at) = (number + 1, at + len);
        }
        Ok((first.unwrap_or(0), count))
    }

    /// Posts a WRITE of no bytes, which tells when the ones before it are done.
    fn post_mark(&mut self) -> Result<(), VerbsError> {
        self.make_room()?;
        let mark = Entry::new(Verb::Write, 0, 0, 0).signaled(true);
        self.active.post(mark).map(|_| ())
    }

    /// Header of the next SEND; tells the peer what was taken so far.
    fn header(&mut self, sequence: u64) -> PieceHeader {
        self.told = self.credits.consumed.load(Ordering::Acquire);
        PieceHeader { sequence: U64::new(sequence), consumed: U64::new(self.told) }
    }

    /// Returns credits when the peer may be short of them.
    fn return_credits(&mut self) -> Result<(), VerbsError> {
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
    fn send_piece(&mut self, bytes: &mut Gather<'_>, len: usize, last: bool) -> Result<u64, VerbsError> {
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
struct Gather<'a> {
    slices: std::slice::Iter<'a, &'a [u8]>,
    current: &'a [u8],
}

impl<'a> Gather<'a> {
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

impl QueuePair for RdmaQueuePair {
    fn peer(&self) -> NodeId {
        self.peer.0
    }

    fn peer_name(&self) -> PeerName {
        self.peer.clone()
    }

    fn transport(&self) -> TransportKind {
        TransportKind::Rdma
    }

    fn read(&mut self, offset: u64, len: usize) -> Result<&[u8], VerbsError> {
        self.check("a read", offset, len)?;
        if len > 0 {
            self.make_room()?;
            let index = self.active.read(offset, 0, len, true)?;
            self.wait_for(index)?;
        }
        self.counters.reads += 1;
        self.counters.bytes_received += len as u64;
        Ok(self.active.bounce.bytes(0, len))
    }

    fn read_list(&mut self, reads: &[(u64, usize)], into: &mut [u8]) -> Result<(), VerbsError> {
        for &(offset, len) in reads {
            self.check("a read", offset, len)?;
        }
        let sum = reads.iter().fold(0usize, |sum, read| sum.saturating_add(read.1));
        if sum != into.len() {
            let what = "a list of reads into another length";
            return Err(VerbsError::TooLong { peer: self.peer.clone(), what, len: sum, limit: into.len() });
        }
        let (mut left, mut rest) = (reads, into);
        while !left.is_empty() {
            let (first, count) = self.post_reads(left)?;
            let mut at = 0;
            // a READ that does not tell of its end is done when a later one is
            for (index, &(_, len)) in (first..).zip(&left[..count]) {
                self.wait_for(index)?;
                let (place, after) = rest.split_at_mut(len);
                place.copy_from_slice(self.active.bounce.bytes(at, len));
                (at, rest) = (at + len, after);
            }
            left = &left[count..];
        }
        self.counters.reads += reads.len() as u64;
        self.counters.bytes_received += sum as u64;
        Ok(())
    }

    fn post_write(&mut self, offset: u64, data: &[u8]) -> Result<(), VerbsError> {
        self.check("a write", offset, data.len())?;
        let mut offset_now = offset;
        for piece in data.chunks(WRITE_MAX) {
            let at = self.take_ring(piece.len())?;
            self.active.put(Entry::new(Verb::Write, at, piece.len(), offset_now), &[piece])?;
            offset_now += piece.len() as u64;
        }
        self.counters.writes += 1;
        self.counters.bytes_sent += data.len() as u64;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), VerbsError> {
        self.active.alive()?;
        if !self.active.log.ends_signaled() {
            self.post_mark()?;
        }
        if self.active.log.is_empty() {
            return Ok(());
        }
        self.waiter.until(&mut self.active, For::Completions, |active| active.log.is_empty())
    }

    fn send(&mut self, parts: &[&[u8]]) -> Result<(), VerbsError> {
        let (header, len) = message::header(parts, &self.peer)?;
        self.active.alive()?;
        let mut bytes = Gather { slices: parts.iter(), current: &header };
        let (mut left, mut index) = (HEADER + len, 0);
        while left > 0 {
            let piece = left.min(HEADER + ONE_SEND);
            left -= piece;
            index = self.send_piece(&mut bytes, piece, left == 0)?;
        }
        // a message that was sent is not lost when this process ends
        self.wait_for(index)?;
        self.counters.messages += 1;
        self.counters.bytes_sent += len as u64;
        Ok(())
    }

    fn try_recv(&mut self, into: &mut Vec<u8>) -> Result<bool, VerbsError> {
        into.clear();
        if !self.active.log.is_empty() && self.active.lost.is_none() {
            // an error of credits or writes under way is healed here, so that the peer does not wait for them
            self.active.progress()?;
        }
        let gone = self.active.lost.is_some() || self.active.control.is_gone();
        let taken = lock(&self.inbox).take(into)?;
        if !gone {
            self.return_credits()?;
        }
        let Some(len) = taken else {
            self.active.alive()?;
            self.active.check_device()?;
            return if gone { Err(self.active.lose(Loss::Gone)) } else { Ok(false) };
        };
        self.counters.messages += 1;
        self.counters.bytes_received += len as u64;
        Ok(true)
    }

    fn arm(&mut self) -> bool {
        let inbox = &mut *lock(&self.inbox);
        inbox.queue().request_notification();
        inbox.look();
        inbox.has_pending() | self.active.arm()
    }

    fn disarm(&mut self) {
        self.active.channel.drain();
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.active.channel.fd()
    }

    fn counters(&self) -> Counters {
        Counters { work: self.active.work, ..self.counters }
    }

    fn liveness_fd(&self) -> BorrowedFd<'_> {
        self.active.control.fd()
    }
}
