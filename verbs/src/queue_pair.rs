//! The one interface of all transports.

use std::os::fd::BorrowedFd;

use crate::error::VerbsError;
use crate::names::{NodeId, PeerName, TransportKind};
use crate::packing::PackRule;

/// Most bytes of one message (64 MiB).
pub const MESSAGE_MAX: usize = 64 << 20;

/// Most bytes of one read or write (4 MiB).
pub const TRANSFER_MAX: usize = 4 << 20;

/// What crossed one queue pair since it was made, seen from this end. Payload bytes only; shm counts them too.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Bytes of writes and messages from here to the peer.
    pub bytes_sent: u64,
    /// Bytes of reads and messages from the peer to here.
    pub bytes_received: u64,
    /// Reads this end made.
    pub reads: u64,
    /// Writes this end made.
    pub writes: u64,
    /// Messages sent and received.
    pub messages: u64,
    /// Of the bytes sent, those that compression kept off the wire.
    pub saved_sent: u64,
    /// Of the bytes received, those that compression kept off the wire.
    pub saved_received: u64,
    /// What the RDMA device was asked to do; all zero for other transports.
    pub work: WorkRequests,
}

/// Work requests posted by one end of an rdma link, those that were posted again included.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct WorkRequests {
    /// READs. A page that is pulled is one.
    pub reads: u64,
    /// WRITEs; also the empty ones that tell when earlier ones are done.
    pub writes: u64,
    /// SENDs. A message of at most 64 KiB is one; others only return credits.
    pub sends: u64,
    /// Completions taken.
    pub completions: u64,
    /// Yields of the CPU while waiting: sched_yield(2), after 20 us of polling without any system call.
    pub yields: u64,
    /// Sleeps in poll(2), after the spin limit.
    pub sleeps: u64,
    /// Attempts to make a broken queue pair again.
    pub recoveries: u64,
}

/// One end of the link between two nodes: one-sided access to the peer's region, and messages.
///
/// Used by one thread at a time, from app context or from inside a synchronous trap handler. No call spawns or wakes
/// a thread of this process; [`read`](Self::read) and [`post_write`](Self::post_write) do not allocate and take no lock,
/// but where an rdma link first comes to another 16 MiB of the peer's region: it asks for their key then.
/// Every call that waits ends with [`VerbsError::Disconnected`] when the peer dies. Interrupted system calls are retried.
pub trait QueuePair: Send {
    /// The node at the other end.
    fn peer(&self) -> NodeId;

    /// The node at the other end as errors name it.
    fn peer_name(&self) -> PeerName {
        PeerName(self.peer(), String::new())
    }

    /// How the bytes travel.
    fn transport(&self) -> TransportKind;

    /// One-sided READ of `len` bytes (at most [`TRANSFER_MAX`]) at byte `offset` of the peer's region.
    ///
    /// Returns where the bytes are: in the peer's region as mapped here (shm), or in this queue pair's bounce buffer,
    /// which starts at a page boundary. Valid until the next call.
    ///
    /// # Errors
    /// `OutOfRange`, `TooLong`, `Disconnected`, `Io`, `Protocol`.
    fn read(&mut self, offset: u64, len: usize) -> Result<&[u8], VerbsError>;

    /// Several READs `(offset, len)`, pipelined. `into` receives their bytes one after the other: the first `len` bytes
    /// belong to `reads[0]`, the next to `reads[1]`, and so on; it must be exactly as long as all of them.
    ///
    /// # Errors
    /// As [`read`](Self::read); `TooLong` also when `into` does not have the sum of the lengths. `into` then holds anything.
    fn read_list(&mut self, reads: &[(u64, usize)], into: &mut [u8]) -> Result<(), VerbsError>;

    /// Says that [`read`](Self::read)s of these ranges `(offset, len)` will follow, in this order: those that were not yet are requested now, if the transport can do
    /// so, and there is room to keep them. Such a read gives what the region holds when it is made, as any other: a WRITE of this
    /// end to the range, and [`flush`](Self::flush), let go of what was read ahead. Nobody else may write there meanwhile.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn read_ahead(&mut self, reads: &[(u64, usize)]) -> Result<(), VerbsError> {
        let _ = reads;
        Ok(())
    }

    /// From now on `rule` decides whether the data of reads and writes is compressed on the wire. Without one, and over
    /// other transports than tcp, it never is. Allocates.
    fn pack_by(&mut self, rule: Box<dyn PackRule>) {
        drop(rule);
    }

    /// Whether what is read ahead is on its way while this process does something else.
    fn overlaps(&self) -> bool {
        false
    }

    /// Whether several reads cost no more by [`read_ahead`](Self::read_ahead) and [`read`](Self::read) than by [`read_list`](Self::read_list).
    fn reads_in_place(&self) -> bool {
        false
    }

    /// Posts a one-sided WRITE of `data` (at most [`TRANSFER_MAX`]) at byte `offset` of the peer's region.
    ///
    /// `data` may be reused on return. Ordered before later reads and writes of this queue pair; not yet placed when the
    /// call returns. Waits only while the wire is full.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn post_write(&mut self, offset: u64, data: &[u8]) -> Result<(), VerbsError>;

    /// Posts several WRITEs, each as [`post_write`](Self::post_write) does, in this order; together where that costs the wire less.
    ///
    /// # Errors
    /// As [`read`](Self::read); some of them may have been posted then.
    fn post_writes(&mut self, writes: &[(u64, &[u8])]) -> Result<(), VerbsError> {
        writes.iter().try_for_each(|(offset, data)| self.post_write(*offset, data))
    }

    /// Waits until every posted WRITE is placed in the peer's region.
    ///
    /// # Errors
    /// `Disconnected`, `Io`, `Protocol`.
    fn flush(&mut self) -> Result<(), VerbsError>;

    /// Sends one message: the parts one after the other, at most [`MESSAGE_MAX`] bytes. Writes posted before it are
    /// placed before the peer can receive it.
    ///
    /// Waits while the wire is full; the peer must be receiving (the protocol above is request and reply).
    ///
    /// # Errors
    /// `TooLong`, `Disconnected`, `Io`, `Protocol`.
    fn send(&mut self, parts: &[&[u8]]) -> Result<(), VerbsError>;

    /// Takes the next message if it is there as a whole: `Ok(true)`, and `into` holds exactly its bytes. Never waits; a
    /// message that came in part is kept for the next call. `into` is cleared first; its memory may be swapped for other.
    ///
    /// # Errors
    /// `Disconnected`, `Io`, `Protocol`.
    fn try_recv(&mut self, into: &mut Vec<u8>) -> Result<bool, VerbsError>;

    /// For [`Mailbox`](crate::Mailbox): from now on [`fd`](Self::fd) becomes readable when bytes of a message come.
    /// `true` means some are there already: do not sleep.
    fn arm(&mut self) -> bool;

    /// For [`Mailbox`](crate::Mailbox): undoes [`arm`](Self::arm).
    fn disarm(&mut self);

    /// For [`Mailbox`](crate::Mailbox): the descriptor to poll for reading between `arm` and `disarm`.
    fn fd(&self) -> BorrowedFd<'_>;

    /// Whether both ends have one CPU between them, as far as is known: whoever waits then does best to sleep at once.
    fn shares_cpu(&self) -> bool {
        false
    }

    /// What crossed so far.
    fn counters(&self) -> Counters;

    /// Descriptor that reports `POLLHUP` or `POLLRDHUP` when the peer's process is gone (for a watchdog thread).
    fn liveness_fd(&self) -> BorrowedFd<'_>;
}
