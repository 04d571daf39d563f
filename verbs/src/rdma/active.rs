//! The active end of a direction: posts READs, WRITEs and SENDs, and keeps them until they are done.

use std::sync::Arc;
use std::time::Instant;

use super::completion::{BATCH, Channel, Completion, CompletionQueue};
use super::control::Control;
use super::error::RdmaError;
use super::log::{Entry, Log};
use super::loss::Loss;
use super::memory::Buffer;
use super::path::{Address, LocalPort, PortNow, random_psn};
use super::rc::{RcQueuePair, Verb, WorkRequest};
use super::remote::Remote;
use crate::error::VerbsError;
use crate::names::PeerName;
use crate::queue_pair::{TRANSFER_MAX, WorkRequests};

/// Bytes of WRITEs and SENDs that may be under way.
const RING: usize = 1 << 20;
/// Most bytes of one WRITE work request: a quarter of the ring, so that the books always find a signaled one.
pub(super) const WRITE_MAX: usize = RING / 4;
/// Most work requests under way.
pub(super) const DEPTH_MAX: u32 = 128;
/// The queue pair that posts, and its books.
pub(super) struct Active {
    // before the queue, which it uses, and the buffers, which the device reads and fills through it
    pub(super) queue_pair: Option<RcQueuePair>,
    pub(super) queue: Arc<CompletionQueue>,
    pub(super) channel: Arc<Channel>,
    ring: Buffer,
    pub(super) bounce: Buffer,
    pub(super) log: Log,
    pub(super) port: LocalPort,
    pub(super) peer: PeerName,
    pub(super) control: Arc<Control>,
    pub(super) remote: Remote,
    pub(super) reads_max: u8,
    depth: u32,
    pub(super) work: WorkRequests,
    /// Completions of older queue pairs have another number.
    pub(super) generation: u16,
    /// Since when nothing has succeeded.
    pub(super) failing_since: Option<Instant>,
    /// Whether the peer has answered the last request for a fresh queue pair.
    pub(super) answered: bool,
    /// Why the link was given up, once it was.
    pub(super) lost: Option<Loss>,
    /// Completions taken before a sleep, to be looked at after it.
    pub(super) stash: Vec<Completion>,
}

impl Active {
    /// # Errors
    /// `Device`, `MemoryLimit`, `Registration`.
    pub(super) fn new(
        port: LocalPort,
        channel: &Arc<Channel>,
        peer: &PeerName,
        control: &Arc<Control>,
    ) -> Result<Active, RdmaError> {
        let limits = port.domain.limits();
        let depth = DEPTH_MAX.min(limits.max_qp_wr).min(limits.max_cqe).max(4);
        let queue = CompletionQueue::new(channel, depth as usize)?;
        let ring = Buffer::new(&port.domain, RING)?;
        let bounce = Buffer::new(&port.domain, TRANSFER_MAX)?;
        Ok(Active {
            queue_pair: None,
            queue,
            channel: Arc::clone(channel),
            ring,
            bounce,
            log: Log::new(depth as usize, RING),
            port,
            peer: peer.clone(),
            control: Arc::clone(control),
            remote: Remote::new(0, 0),
            reads_max: 1,
            depth,
            work: WorkRequests::default(),
            generation: 0,
            failing_since: None,
            answered: false,
            lost: None,
            stash: Vec::with_capacity(BATCH),
        })
    }

    /// Makes the queue pair; it does not know its peer yet. Returns the port as it is now, and where the queue pair is found.
    ///
    /// # Errors
    /// `Device`, `PortDown`, `NoPort`.
    pub(super) fn make(&mut self) -> Result<(PortNow, Address, u32), RdmaError> {
        let (port, psn) = (self.port.look()?, random_psn());
        // nothing is ever received at this end
        let queue_pair = RcQueuePair::new(&self.port.domain, port.number, (&self.queue, self.depth), (&self.queue, 1))?;
        let address = Address::new(&port, queue_pair.number(), psn);
        self.queue_pair = Some(queue_pair);
        Ok((port, address, psn))
    }

    /// Joins the queue pair to the peer's passive one.
    ///
    /// # Errors
    /// `Device`, `NoPort`.
    pub(super) fn join(&mut self, theirs: &Address, port: PortNow, psn: u32) -> Result<(), RdmaError> {
        let address = self.port.address();
        let path = theirs.path(port).ok_or(RdmaError::NoPort { address })?;
        let queue_pair = self.queue_pair.as_ref().ok_or(RdmaError::NoPort { address })?;
        queue_pair.to_ready_to_receive(&path, 0)?;
        queue_pair.to_ready_to_send(psn, self.reads_max)
    }

    /// Posts a READ of the peer's bytes at `offset` to byte `at` of the bounce buffer; the log has room. Returns its index.
    ///
    /// # Errors
    /// `Disconnected`, `Protocol`, `Rdma`.
    pub(super) fn read(&mut self, offset: u64, at: usize, len: usize, signaled: bool) -> Result<u64, VerbsError> {
        self.post(Entry::new(Verb::Read, at, len, offset).signaled(signaled))
    }

    /// Copies `pieces` into the ring, which has room at `at`, and posts them as one WRITE, or SEND of number `sequence`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(super) fn put(&mut self, entry: Entry, pieces: &[&[u8]]) -> Result<u64, VerbsError> {
        let mut at = entry.local;
        for piece in pieces {
            self.ring.fill(at, piece);
            at += piece.len();
        }
        self.post(entry)
    }

    /// Copies more bytes of a piece into the ring, at `at`.
    pub(super) fn fill(&mut self, at: usize, bytes: &[u8]) {
        self.ring.fill(at, bytes);
    }

    pub(super) fn post(&mut self, entry: Entry) -> Result<u64, VerbsError> {
        self.alive()?;
        let index = self.log.push(entry);
        match self.log.get(index) {
            // a queue pair that refuses work has failed
            Some(entry) if !self.try_post(index, &entry) => self.recover().map(|()| index),
            _ => Ok(index),
        }
    }

    /// Whether the device took it.
    pub(super) fn try_post(&mut self, index: u64, entry: &Entry) -> bool {
        let counter = match entry.verb {
            Verb::Read => &mut self.work.reads,
            Verb::Write => &mut self.work.writes,
            Verb::Send => &mut self.work.sends,
        };
        *counter += 1;
        let buffer = if entry.verb == Verb::Read { &self.bounce } else { &self.ring };
        let (remote, rkey) = self.remote.place(entry.offset);
        let request = WorkRequest {
            id: index << 16 | u64::from(self.generation),
            verb: entry.verb,
            local: buffer.address(entry.local),
            len: entry.len as u32,
            lkey: buffer.lkey(),
            remote,
            rkey,
            signaled: entry.signaled,
        };
        // SAFETY: the log keeps the bytes in `ring`, and who reads waits for the completion before the bounce buffer is looked
        // at; both outlive the queue pair.
        self.queue_pair.as_ref().is_some_and(|queue_pair| unsafe { queue_pair.post_send(&request) }.is_ok())
    }
}
