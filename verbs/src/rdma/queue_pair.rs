//! One end of an rdma link.

use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex};

use super::active::{Active, WRITE_MAX};
use super::inbox::{Credits, Inbox, ONE_SEND};
use super::log::Entry;
use super::loss::Loss;
use super::rc::Verb;
use super::remote::{cut, in_one_extent};
use super::sending::Gather;
use super::servant::{Servant, lock};
use super::waiter::{For, Waiter};
use crate::error::VerbsError;
use crate::message::{self, HEADER};
use crate::names::{NodeId, PeerName, TransportKind};
use crate::queue_pair::{Counters, QueuePair};

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
        self.admit("a read", offset, len)?;
        let (mut at, mut last) = (0, None);
        for (offset, len) in cut(offset, len) {
            if len > 0 {
                self.make_room()?;
                last = Some(self.active.read(offset, at, len, true)?);
                at += len;
            }
        }
        last.map_or(Ok(()), |index| self.wait_for(index))?;
        self.counters.reads += 1;
        self.counters.bytes_received += len as u64;
        Ok(self.active.bounce.bytes(0, len))
    }

    fn read_list(&mut self, reads: &[(u64, usize)], into: &mut [u8]) -> Result<(), VerbsError> {
        for &(offset, len) in reads {
            self.admit("a read", offset, len)?;
        }
        let sum = reads.iter().fold(0usize, |sum, read| sum.saturating_add(read.1));
        if sum != into.len() {
            let what = "a list of reads into another length";
            return Err(VerbsError::TooLong { peer: self.peer.clone(), what, len: sum, limit: into.len() });
        }
        let pieces: Vec<_>;
        let is_cut = reads.iter().any(|&(offset, len)| in_one_extent(offset, len) < len);
        let mut left = reads;
        if is_cut {
            pieces = reads.iter().flat_map(|&(offset, len)| cut(offset, len)).filter(|piece| piece.1 > 0).collect();
            left = &pieces;
        }
        let mut rest = into;
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
        self.admit("a write", offset, data.len())?;
        let (mut offset, mut rest) = (offset, data);
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(in_one_extent(offset, rest.len().min(WRITE_MAX)));
            let at = self.take_ring(piece.len())?;
            self.active.put(Entry::new(Verb::Write, at, piece.len(), offset), &[piece])?;
            (offset, rest) = (offset + piece.len() as u64, later);
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
        let mut bytes = Gather::new(&header, parts);
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
