//! The passive end of a direction: the queue pair that the peer reads, writes and sends to, and the messages that came.
//!
//! Shared, under a lock, by the thread that uses the link and the helper thread, which only makes the queue pair again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::completion::{BATCH, Channel, Completion, CompletionQueue};
use super::domain::Domain;
use super::error::RdmaError;
use super::memory::Buffer;
use super::path::{Address, LocalPort, random_psn};
use super::rc::RcQueuePair;
use crate::error::VerbsError;
use crate::message::{Assembly, HEADER};
use crate::names::PeerName;

/// Longest message that is one SEND (bytes). A jump is 15 to 30 KiB.
pub(super) const ONE_SEND: usize = 64 << 10;
/// Bytes before the payload of each SEND.
pub(super) const PIECE_HEADER: usize = size_of::<PieceHeader>();
/// Most bytes of one SEND.
pub(super) const PIECE_MAX: usize = PIECE_HEADER + HEADER + ONE_SEND;
/// Pieces of messages that may be on the way or wait to be taken: the credits of the sender.
pub(super) const CREDITS: u64 = 32;
/// Receive buffers besides, for SENDs that only return credits: the sender has one or two of them under way.
const SPARE: usize = 8;
/// Receive buffers.
pub(super) const BUFFERS: usize = CREDITS as usize + SPARE;
/// Bytes from one receive buffer to the next.
const STRIDE: usize = PIECE_MAX.next_multiple_of(64);
/// How long a broken queue pair may take to give its receive buffers back.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);

/// First bytes of each SEND.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct PieceHeader {
    /// Number of this piece of a message, from 1; 0: nothing but credits.
    pub(super) sequence: U64,
    /// Pieces that the sender of this one has taken so far: credits for who gets it.
    pub(super) consumed: U64,
}

/// Counts that the two directions tell each other.
#[derive(Default)]
pub(super) struct Credits {
    /// Pieces this end has taken.
    pub(super) consumed: AtomicU64,
    /// Pieces of ours that the peer has taken.
    pub(super) consumed_by_peer: AtomicU64,
}

/// What came for this end.
pub(super) struct Inbox {
    // before the queue, which it uses, and the buffers, which the device fills through it
    queue_pair: Option<RcQueuePair>,
    queue: Arc<CompletionQueue>,
    buffers: Buffer,
    port: LocalPort,
    reads_max: u8,
    peer: PeerName,
    posted: [bool; BUFFERS],
    /// Buffers with pieces that wait to be taken: number, bytes.
    pending: VecDeque<(usize, usize)>,
    /// Number of the last piece that came.
    received: u64,
    assembly: Assembly,
    credits: Arc<Credits>,
    broken: Option<&'static str>,
}

impl Inbox {
    /// # Errors
    /// `Device`, `MemoryLimit`, `Registration`.
    pub(super) fn new(
        port: LocalPort,
        channel: &Arc<Channel>,
        peer: &PeerName,
        credits: &Arc<Credits>,
    ) -> Result<Inbox, RdmaError> {
        let queue = CompletionQueue::new(channel, BUFFERS + BATCH)?;
        let buffers = Buffer::new(&port.domain, BUFFERS * STRIDE)?;
        Ok(Inbox {
            queue_pair: None,
            queue,
            buffers,
            port,
            reads_max: 0,
            peer: peer.clone(),
            posted: [false; BUFFERS],
            pending: VecDeque::with_capacity(BUFFERS),
            received: 0,
            assembly: Assembly::default(),
            credits: Arc::clone(credits),
            broken: None,
        })
    }

    pub(super) fn domain(&self) -> Arc<Domain> {
        Arc::clone(&self.port.domain)
    }

    /// The queue that tells of pieces that came.
    pub(super) fn queue(&self) -> &Arc<CompletionQueue> {
        &self.queue
    }

    /// Number of the last piece that came.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Makes the queue pair; it does not know its peer yet. Returns where it is found.
    ///
    /// # Errors
    /// `Device`, `PortDown`, `NoPort`.
    pub(super) fn make(&mut self) -> Result<Address, RdmaError> {
        let port = self.port.look()?;
        // nothing is ever sent from this end, so its send queue is as short as can be
        let queue_pair =
            RcQueuePair::new(&self.port.domain, port.number, (&self.queue, 1), (&self.queue, BUFFERS as u32))?;
        let address = Address::new(&port, queue_pair.number(), random_psn());
        self.queue_pair = Some(queue_pair);
        for buffer in 0..BUFFERS {
            if !self.pending.iter().any(|piece| piece.0 == buffer) {
                self.post(buffer)?;
            }
        }
        Ok(address)
    }

    /// Joins the queue pair to the peer's active one.
    ///
    /// # Errors
    /// `Device`, `PortDown`, `NoPort`.
    pub(super) fn join(&mut self, theirs: &Address, reads_max: u8) -> Result<(), RdmaError> {
        self.reads_max = reads_max;
        let port = self.port.look()?;
        let address = self.port.address();
        let path = theirs.path(port).ok_or(RdmaError::NoPort { address })?;
        let queue_pair = self.queue_pair.as_ref().ok_or(RdmaError::NoPort { address })?;
        queue_pair.to_ready_to_receive(&path, reads_max)
    }

    /// Makes the queue pair again, for the peer's fresh one. What came over the old one is kept.
    ///
    /// # Errors
    /// `Device`, `PortDown`, `NoPort`; it may be tried again.
    pub(super) fn remake(&mut self, theirs: &Address) -> Result<Address, RdmaError> {
        self.retire();
        let address = self.make()?;
        self.join(theirs, self.reads_max)?;
        Ok(address)
    }

    /// Ends the queue pair; every buffer that was posted comes back, filled or not.
    fn retire(&mut self) {
        let Some(old) = self.queue_pair.take() else {
            return;
        };
        let deadline = Instant::now() + FLUSH_LIMIT;
        if old.to_error().is_ok() {
            while self.posted.contains(&true) && Instant::now() < deadline {
                self.look();
                std::thread::yield_now();
            }
        }
        drop(old);
        self.look();
        self.posted = [false; BUFFERS];
    }

    fn post(&mut self, buffer: usize) -> Result<(), RdmaError> {
        let Some(queue_pair) = &self.queue_pair else {
            return Ok(());
        };
        let local = self.buffers.address(buffer * STRIDE);
        // SAFETY: the buffer is neither posted nor pending, and belongs to `buffers`, which outlives the queue pair.
        let posted = unsafe { queue_pair.post_receive(buffer as u64, local, PIECE_MAX as u32, self.buffers.lkey()) };
        posted.map_err(|_| self.port.domain.failed("posting a receive buffer"))?;
        self.posted[buffer] = true;
        Ok(())
    }

    /// Takes what came off the completion queue.
    pub(super) fn look(&mut self) {
        let mut batch = [Completion::NONE; BATCH];
        loop {
            let count = self.queue.poll(&mut batch);
            for completion in &batch[..count] {
                let buffer = completion.id as usize;
                if buffer < BUFFERS && std::mem::take(&mut self.posted[buffer]) && completion.succeeded() {
                    self.accept(buffer, completion.len);
                }
            }
            if count < BATCH {
                return;
            }
        }
    }

    /// A piece came.
    fn accept(&mut self, buffer: usize, len: usize) {
        let bytes = self.buffers.bytes(buffer * STRIDE, len.min(PIECE_MAX));
        let Ok((header, _)) = PieceHeader::read_from_prefix(bytes) else {
            self.broken = Some("it sent a message that is cut short");
            return;
        };
        self.credits.consumed_by_peer.fetch_max(header.consumed.get(), Ordering::AcqRel);
        match header.sequence.get() {
            next if next == self.received + 1 => {
                self.received = next;
                self.pending.push_back((buffer, len));
            }
            // credits only, or a piece that came before the queue pair was made again
            old if old <= self.received => self.repost(buffer),
            _ => self.broken = Some("a message is missing"),
        }
    }

    fn repost(&mut self, buffer: usize) {
        // a queue pair that takes no buffers is broken: the peer notices, and has it made again
        let _ = self.post(buffer);
    }

    #[cfg(test)]
    pub(super) fn break_queue_pair(&mut self) {
        self.queue_pair.as_ref().expect("present").to_error().expect("broken");
    }

    /// Whether a piece waits to be taken.
    pub(super) fn has_pending(&self) -> bool {
        !self.pending.is_empty() || self.broken.is_some()
    }

    /// The next message if all of it is here; returns its length.
    ///
    /// # Errors
    /// `Protocol`.
    pub(super) fn take(&mut self, into: &mut Vec<u8>) -> Result<Option<usize>, VerbsError> {
        self.look();
        while let Some((buffer, len)) = self.pending.pop_front() {
            let payload = self.buffers.bytes(buffer * STRIDE + PIECE_HEADER, len - PIECE_HEADER);
            // a piece never holds bytes of two messages
            let used = self.assembly.feed(payload, &self.peer)?;
            if used != payload.len() {
                return Err(VerbsError::protocol(&self.peer, "it sent more bytes than it announced"));
            }
            self.credits.consumed.fetch_add(1, Ordering::AcqRel);
            self.repost(buffer);
            if self.assembly.is_complete() {
                return Ok(Some(self.assembly.take(into)));
            }
        }
        self.broken.map_or(Ok(None), |what| Err(VerbsError::protocol(&self.peer, what)))
    }
}
