//! The active end of a direction: posts READs, WRITEs and SENDs, and keeps them until they are done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ibverbs_sys::ibv_wc_status as status;
use rustix::event::{PollFd, PollFlags};

use super::completion::{BATCH, Channel, Completion, CompletionQueue};
use super::control::Control;
use super::error::RdmaError;
use super::log::{Entry, Log};
use super::memory::Buffer;
use super::path::{Address, LocalPort, PortNow, random_psn};
use super::rc::{RcQueuePair, Verb, WorkRequest};
use crate::error::VerbsError;
use crate::names::PeerName;
use crate::poll;
use crate::queue_pair::{TRANSFER_MAX, WorkRequests};

/// Bytes of WRITEs and SENDs that may be under way.
const RING: usize = 1 << 20;
/// Most bytes of one WRITE work request: a quarter of the ring, so that the books always find a signaled one.
pub(super) const WRITE_MAX: usize = RING / 4;
/// Most work requests under way.
pub(super) const DEPTH_MAX: u32 = 128;
/// How long a peer that said "access denied" may take to be seen as gone: one that ends frees its memory first.
const GRACE: Duration = Duration::from_millis(500);
/// How often a sleeper looks whether the device still works.
const TICK: Duration = Duration::from_secs(1);

/// The memory of the peer that this end may read and write.
#[derive(Clone, Copy)]
pub(super) struct Remote {
    pub(super) base: u64,
    pub(super) rkey: u32,
}

/// Why a link is of no more use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Loss {
    /// The peer, or the network to it.
    Gone,
    /// One of the two ends is wrong about something.
    Broken(&'static str),
    /// The device of this node has failed.
    Device,
}

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
    /// Why the link was given up, once it was.
    pub(super) lost: Option<Loss>,
    /// Completions taken before a sleep, to be looked at after it.
    stash: Vec<Completion>,
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
            remote: Remote { base: 0, rkey: 0 },
            reads_max: 1,
            depth,
            work: WorkRequests::default(),
            generation: 0,
            failing_since: None,
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
        let request = WorkRequest {
            id: index << 16 | u64::from(self.generation),
            verb: entry.verb,
            local: buffer.address(entry.local),
            len: entry.len as u32,
            lkey: buffer.lkey(),
            remote: self.remote.base.wrapping_add(entry.offset),
            rkey: self.remote.rkey,
            signaled: entry.signaled,
        };
        // SAFETY: the log keeps the bytes in `ring`, and who reads waits for the completion before the bounce buffer is looked
        // at; both outlive the queue pair.
        self.queue_pair.as_ref().is_some_and(|queue_pair| unsafe { queue_pair.post_send(&request) }.is_ok())
    }

    /// # Errors
    /// After the link was given up: why.
    pub(super) fn alive(&self) -> Result<(), VerbsError> {
        match self.lost {
            None => Ok(()),
            Some(loss) => Err(self.error(loss)),
        }
    }

    #[cold]
    pub(super) fn error(&self, loss: Loss) -> VerbsError {
        match loss {
            Loss::Gone => VerbsError::Disconnected { peer: self.peer.clone() },
            Loss::Broken(what) => VerbsError::protocol(&self.peer, what),
            Loss::Device => RdmaError::DeviceGone { device: self.port.domain.name().to_owned() }.into(),
        }
    }

    /// Gives the link up.
    #[cold]
    pub(super) fn lose(&mut self, loss: Loss) -> VerbsError {
        self.lost = Some(loss);
        self.error(loss)
    }

    /// Takes completions that are there, and heals the queue pair when one tells of an error. Whether there were any.
    ///
    /// # Errors
    /// `Disconnected`, `Protocol`, `Rdma`.
    pub(super) fn progress(&mut self) -> Result<bool, VerbsError> {
        let stashed = self.take_stash();
        let mut batch = [Completion::NONE; BATCH];
        let count = self.queue.poll(&mut batch);
        match stashed.or_else(|| self.note(&batch[..count])) {
            None => Ok(count > 0),
            Some(status) => self.heal(status).map(|()| true),
        }
    }

    fn take_stash(&mut self) -> Option<status::Type> {
        if self.stash.is_empty() {
            return None;
        }
        let stash = std::mem::take(&mut self.stash);
        let error = self.note(&stash);
        self.stash = stash;
        self.stash.clear();
        error
    }

    /// Enters completions into the books; returns the first error, which tells the cause. The later ones only follow from it.
    fn note(&mut self, completions: &[Completion]) -> Option<status::Type> {
        for completion in completions {
            self.work.completions += 1;
            if completion.id as u16 != self.generation {
                continue;
            }
            if !completion.succeeded() {
                return Some(completion.status);
            }
            self.log.retire_through(completion.id >> 16);
            self.failing_since = None;
        }
        None
    }

    /// After the queue pair is destroyed: what was done before it broke is entered, the rest forgotten.
    pub(super) fn note_rest(&mut self) {
        let mut batch = [Completion::NONE; BATCH];
        loop {
            let count = self.queue.poll(&mut batch);
            let done = batch[..count].iter().filter(|completion| completion.succeeded());
            let mut done = done.filter(|completion| completion.id as u16 == self.generation);
            if let Some(last) = done.next_back() {
                self.log.retire_through(last.id >> 16);
            }
            if count == 0 {
                return;
            }
        }
    }

    #[cold]
    fn heal(&mut self, error: status::Type) -> Result<(), VerbsError> {
        let what = match error {
            status::IBV_WC_REM_ACCESS_ERR => "its memory refused access to bytes that it had offered",
            status::IBV_WC_REM_INV_REQ_ERR | status::IBV_WC_REM_INV_RD_REQ_ERR => "its device refused a work request",
            status::IBV_WC_LOC_LEN_ERR
            | status::IBV_WC_LOC_PROT_ERR
            | status::IBV_WC_LOC_QP_OP_ERR
            | status::IBV_WC_LOC_ACCESS_ERR
            | status::IBV_WC_BAD_RESP_ERR => "a work request made no sense to the RDMA device",
            _ => return self.recover(),
        };
        // a peer that ends frees its memory before its connection
        let gone = self.control.gone_by(Instant::now() + GRACE);
        Err(self.lose(if gone { Loss::Gone } else { Loss::Broken(what) }))
    }

    /// # Errors
    /// `Rdma` once the device has failed or was removed.
    pub(super) fn check_device(&mut self) -> Result<(), VerbsError> {
        if self.port.domain.has_failed() { Err(self.lose(Loss::Device)) } else { Ok(()) }
    }

    /// Asks for a wake-up at the next completion of work that is under way; `true`: some are there already.
    pub(super) fn arm(&mut self) -> bool {
        if self.log.is_empty() {
            return false;
        }
        self.queue.request_notification();
        let mut batch = [Completion::NONE; BATCH];
        if self.stash.is_empty() {
            let count = self.queue.poll(&mut batch);
            self.stash.extend_from_slice(&batch[..count]);
        }
        !self.stash.is_empty()
    }

    /// Sleeps until a queue that was armed has something, or the peer is gone (`false`), or a moment has passed.
    ///
    /// # Errors
    /// `Io`, `Rdma` when the device has failed.
    pub(super) fn sleep(&mut self) -> Result<bool, VerbsError> {
        self.work.sleeps += 1;
        let mut fds = [
            PollFd::from_borrowed_fd(self.channel.fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.control.fd(), PollFlags::RDHUP),
        ];
        poll::wait(&mut fds, Some(Instant::now() + TICK))
            .map_err(|errno| VerbsError::link(&self.peer, "waiting for a completion", errno.into()))?;
        let here = fds[1].revents().is_empty();
        self.channel.drain();
        self.check_device()?;
        Ok(here)
    }
}
