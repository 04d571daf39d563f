//! One end of a link over shared memory.
//!
//! # Safety
//! Addresses in the peer's region are made only from ranges that lie inside its mapping, which this queue pair owns. The
//! peer writes that memory too; who may touch which slot is agreed on above this crate.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

use super::ring::{Corrupt, Reader, Writer};
use crate::error::VerbsError;
use crate::message::{self, Assembly};
use crate::names::{NodeId, PeerName, TransportKind};
use crate::poll::{self, Spinner};
use crate::queue_pair::{Counters, QueuePair, TRANSFER_MAX};
use crate::region::{Mapping, Region};

/// A long message is shown to the receiver in pieces of this many bytes, so that both ends copy at the same time.
const PUBLISH: usize = 128 << 10;

/// One end of a shm link.
pub struct ShmQueuePair {
    pub(super) peer: PeerName,
    pub(super) stream: UnixStream,
    pub(super) _own_region: Arc<Region>,
    pub(super) peer_region: Mapping,
    pub(super) peer_memory: OwnedFd,
    /// From here on nothing of the peer's region was written over this link.
    pub(super) fresh: u64,
    pub(super) writer: Writer,
    pub(super) reader: Reader,
    pub(super) wakes_us: OwnedFd,
    pub(super) wakes_peer: OwnedFd,
    pub(super) assembly: Assembly,
    pub(super) spinner: Spinner,
    pub(super) counters: Counters,
    pub(super) shares_cpu: bool,
}

impl ShmQueuePair {
    /// Address of `offset..offset+len` of the peer's region.
    fn place(&self, what: &'static str, offset: u64, len: usize) -> Result<*mut u8, VerbsError> {
        let peer = || self.peer.clone();
        if len > TRANSFER_MAX {
            return Err(VerbsError::TooLong { peer: peer(), what, len, limit: TRANSFER_MAX });
        }
        let region_len = self.peer_region.len() as u64;
        match offset.checked_add(len as u64) {
            Some(end) if end <= region_len => {
                // SAFETY: offset <= end <= the length of the mapping.
                Ok(unsafe { self.peer_region.base().add(offset as usize) })
            }
            _ => Err(VerbsError::OutOfRange { peer: peer(), offset, len, region_len }),
        }
    }

    /// The first write to a range above all others: most likely its pages have no memory yet, and the kernel gives it by the way, for half of what
    /// a fault costs. Whether it was done.
    fn write_fresh(&mut self, offset: u64, data: &[u8]) -> bool {
        if offset < self.fresh {
            return false;
        }
        self.fresh = offset + data.len() as u64;
        rustix::io::pwrite(&self.peer_memory, data, offset) == Ok(data.len())
    }

    fn corrupt(&self, _: Corrupt) -> VerbsError {
        VerbsError::protocol(&self.peer, "it spoilt the message ring")
    }

    /// Wakes the peer from poll(2): 20 us and more until it runs on another CPU.
    fn wake_peer(&self) {
        // full (EAGAIN) is as good: the peer has more than one wake-up pending
        while rustix::io::write(&self.wakes_peer, &1u64.to_ne_bytes()) == Err(Errno::INTR) {}
    }

    fn take_wake_up(&self) {
        while rustix::io::read(&self.wakes_us, &mut [0u8; 8]) == Err(Errno::INTR) {}
    }

    fn publish(&mut self) {
        if self.writer.publish() {
            self.wake_peer();
        }
    }

    fn push_all(&mut self, mut bytes: &[u8]) -> Result<(), VerbsError> {
        while !bytes.is_empty() {
            let piece = &bytes[..bytes.len().min(PUBLISH)];
            let count = self.writer.push(piece).map_err(|corrupt| self.corrupt(corrupt))?;
            bytes = &bytes[count..];
            if count < piece.len() || self.writer.unpublished() >= PUBLISH {
                self.publish();
            }
            if count == 0 {
                self.wait_for_room()?;
            }
        }
        Ok(())
    }

    fn wait_for_room(&mut self) -> Result<(), VerbsError> {
        let mut patience = self.spinner.begin(None);
        while patience.try_again() {
            if self.writer.has_room().map_err(|corrupt| self.corrupt(corrupt))? {
                return Ok(());
            }
        }
        let full = self.writer.arm().map_err(|corrupt| self.corrupt(corrupt))?;
        let alive = !full || self.sleep()?;
        self.writer.disarm();
        self.take_wake_up();
        if alive { Ok(()) } else { Err(VerbsError::Disconnected { peer: self.peer.clone() }) }
    }

    /// Sleeps until woken; `false`: the peer is gone.
    fn sleep(&self) -> Result<bool, VerbsError> {
        let mut fds = [PollFd::new(&self.wakes_us, PollFlags::IN), PollFd::new(&self.stream, PollFlags::RDHUP)];
        poll::wait(&mut fds, None).map_err(|errno| VerbsError::link(&self.peer, "waiting for room", errno.into()))?;
        Ok(fds[1].revents().is_empty())
    }
}

impl QueuePair for ShmQueuePair {
    fn peer(&self) -> NodeId {
        self.peer.0
    }

    fn peer_name(&self) -> PeerName {
        self.peer.clone()
    }

    fn transport(&self) -> TransportKind {
        TransportKind::Shm
    }

    fn read(&mut self, offset: u64, len: usize) -> Result<&[u8], VerbsError> {
        let place = self.place("a read", offset, len)?;
        self.counters.reads += 1;
        self.counters.bytes_received += len as u64;
        // SAFETY: inside the mapping, which lives as long as the borrow of self.
        Ok(unsafe { std::slice::from_raw_parts(place, len) })
    }

    fn read_list(&mut self, reads: &[(u64, usize)], into: &mut [u8]) -> Result<(), VerbsError> {
        let sum = reads.iter().fold(0usize, |sum, read| sum.saturating_add(read.1));
        if sum != into.len() {
            let what = "a list of reads into another length";
            return Err(VerbsError::TooLong { peer: self.peer.clone(), what, len: sum, limit: into.len() });
        }
        let mut rest = into;
        for &(offset, len) in reads {
            let (place, after) = rest.split_at_mut(len);
            place.copy_from_slice(self.read(offset, len)?);
            rest = after;
        }
        Ok(())
    }

    fn reads_in_place(&self) -> bool {
        true
    }

    fn post_write(&mut self, offset: u64, data: &[u8]) -> Result<(), VerbsError> {
        let place = self.place("a write", offset, data.len())?;
        if !self.write_fresh(offset, data) {
            // SAFETY: inside the mapping; `data` may come from the same memory (a read of this link), hence `copy`.
            unsafe { std::ptr::copy(data.as_ptr(), place, data.len()) };
        }
        self.counters.writes += 1;
        self.counters.bytes_sent += data.len() as u64;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), VerbsError> {
        fence(Ordering::SeqCst);
        Ok(())
    }

    fn send(&mut self, parts: &[&[u8]]) -> Result<(), VerbsError> {
        let (header, len) = message::header(parts, &self.peer)?;
        self.push_all(&header)?;
        for part in parts {
            self.push_all(part)?;
        }
        self.publish();
        self.counters.messages += 1;
        self.counters.bytes_sent += len as u64;
        Ok(())
    }

    fn try_recv(&mut self, into: &mut Vec<u8>) -> Result<bool, VerbsError> {
        into.clear();
        loop {
            let bytes = self.reader.peek().map_err(|corrupt| self.corrupt(corrupt))?;
            if bytes.is_empty() {
                return Ok(false);
            }
            // in pieces, so that the sender copies on while we copy
            let used = self.assembly.feed(&bytes[..bytes.len().min(PUBLISH)], &self.peer)?;
            if self.reader.consume(used) {
                self.wake_peer();
            }
            if self.assembly.is_complete() {
                self.counters.messages += 1;
                self.counters.bytes_received += self.assembly.take(into) as u64;
                return Ok(true);
            }
        }
    }

    fn arm(&mut self) -> bool {
        self.reader.arm()
    }

    fn disarm(&mut self) {
        self.reader.disarm();
        self.take_wake_up();
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.wakes_us.as_fd()
    }

    fn shares_cpu(&self) -> bool {
        self.shares_cpu
    }

    fn counters(&self) -> Counters {
        self.counters
    }

    fn liveness_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
