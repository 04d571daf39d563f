//! The initiating side of the data sockets, and the messages.
//!
//! # Safety
//! Pieces are made of the bounce buffer, which this queue pair owns and only lends until its next call, and of slices
//! that the caller lends for the call.

use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};

use zerocopy::IntoBytes;

use super::ahead::Ahead;
use super::block::BLOCK;
use super::bounce::Bounce;
use super::frame::{RESPONSE, Request};
use super::messages::Messages;
use super::packs::Packs;
use super::requests::{WINDOW, WRITES};
use super::responder::Responder;
use super::socket::Piece;
use crate::error::VerbsError;
use crate::names::{NodeId, PeerName, TransportKind};
use crate::packing::{PackRule, Way};
use crate::poll::Spinner;
use crate::queue_pair::{Counters, QueuePair};

/// One end of a tcp link.
pub struct TcpQueuePair {
    pub(super) peer: PeerName,
    pub(super) peer_region_len: u64,
    pub(super) data: TcpStream,
    pub(super) messages: Messages,
    pub(super) bounce: Bounce,
    /// What was read ahead, and its bytes.
    pub(super) ahead: Ahead,
    pub(super) ahead_bytes: Bounce,
    pub(super) spinner: Spinner,
    pub(super) counters: Counters,
    pub(super) same_host: bool,
    pub(super) shares_cpu: bool,
    /// Present if data may be compressed.
    pub(super) packs: Option<Box<Packs>>,
    /// A packed block as it came; empty if none will.
    pub(super) block: Box<[u8]>,
    /// Writes were posted since the last fence.
    pub(super) unflushed: bool,
    /// Serves the other direction as long as this end lives.
    pub(super) _responder: Responder,
}

impl QueuePair for TcpQueuePair {
    fn peer(&self) -> NodeId {
        self.peer.0
    }

    fn peer_name(&self) -> PeerName {
        self.peer.clone()
    }

    fn transport(&self) -> TransportKind {
        TransportKind::Tcp
    }

    fn read(&mut self, offset: u64, len: usize) -> Result<&[u8], VerbsError> {
        self.check("a read", offset, len)?;
        if let Some((index, at)) = self.ahead.find(offset, len) {
            self.take_outstanding(index + 1)?;
            self.ahead.take(index, offset, len);
            let bytes = self.ahead_bytes.bytes(at, len);
            if let Some(packs) = &mut self.packs {
                packs.look(Way::Read, &self.data, bytes);
            }
            return Ok(bytes);
        }
        let packed = self.packs(Way::Read, len);
        self.post("a read", &mut [Piece::to_send(Request::read(offset, len, packed).as_bytes())])?;
        // on one CPU with the responder this is its turn; on two, the response cannot be here yet
        self.spinner.give_way();
        self.take_outstanding(self.ahead.len())?;
        if packed {
            // SAFETY: nobody borrows the bounce buffer: we hold `&mut self`.
            let place = unsafe { self.bounce.bytes_mut(0, len) };
            self.take_data("a read", place, true)?;
        } else {
            let header = self.bounce.header();
            // SAFETY: `check` has bounded len by the size of the bounce buffer, which nobody borrows: we hold `&mut self`; the
            // header lies right before it in the same mapping.
            unsafe {
                let mut place = [Piece::new(header.cast(), RESPONSE + len)];
                self.response("a read", header, &mut place, len)?;
            }
        }
        self.counters.reads += 1;
        self.counters.bytes_received += len as u64;
        let bytes = self.bounce.bytes(0, len);
        if let Some(packs) = &mut self.packs {
            packs.look(Way::Read, &self.data, bytes);
        }
        Ok(bytes)
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
        self.take_outstanding(self.ahead.len())?;
        let packed = self.packs(Way::Read, sum);
        let (mut posted, mut rest) = (0, into);
        for (taken, &(_, len)) in reads.iter().enumerate() {
            // when half of the window has come, the next half goes out with one call
            if posted < reads.len() && posted - taken <= WINDOW / 2 {
                let next = reads.len().min(taken + WINDOW);
                self.post_reads(&reads[posted..next], packed, self.ahead.len())?;
                posted = next;
            }
            let (place, after) = rest.split_at_mut(len);
            self.take_data("a list of reads", place, packed)?;
            rest = after;
        }
        self.counters.reads += reads.len() as u64;
        self.counters.bytes_received += sum as u64;
        Ok(())
    }

    fn read_ahead(&mut self, reads: &[(u64, usize)]) -> Result<(), VerbsError> {
        let mut fresh = [(0, 0); WINDOW];
        let mut count = 0;
        let packed = self.packs(Way::Read, reads.iter().map(|read| read.1).sum());
        for &(offset, len) in reads {
            self.check("a read", offset, len)?;
            if self.ahead.find(offset, len).is_some() {
                continue;
            }
            if count == WINDOW || self.ahead.admit(offset, len, packed).is_none() {
                break;
            }
            fresh[count] = (offset, len);
            count += 1;
        }
        if count > 0 {
            self.post_reads(&fresh[..count], packed, self.ahead.len() - count)?;
            self.counters.reads += count as u64;
        }
        Ok(())
    }

    fn overlaps(&self) -> bool {
        true
    }

    fn reads_in_place(&self) -> bool {
        true
    }

    fn post_write(&mut self, offset: u64, data: &[u8]) -> Result<(), VerbsError> {
        self.check("a write", offset, data.len())?;
        self.ahead.spoil(offset, data.len());
        if self.packs(Way::Write, data.len()) {
            self.post_packed(offset, data)?;
        } else {
            let request = Request::write(offset, data.len(), false);
            // the next fence or read pushes what the kernel holds back; full packets go at once
            self.post_flagged(
                "a write",
                &mut [Piece::to_send(request.as_bytes()), Piece::to_send(data)],
                self.ahead.len(),
                true,
            )?;
        }
        self.posted(data);
        Ok(())
    }

    fn post_writes(&mut self, writes: &[(u64, &[u8])]) -> Result<(), VerbsError> {
        writes.chunks(WRITES).try_for_each(|writes| match writes {
            [_, _, ..] if !writes.iter().any(|write| self.packs(Way::Write, write.1.len())) => {
                self.post_together(writes)
            }
            _ => writes.iter().try_for_each(|(offset, data)| self.post_write(*offset, data)),
        })
    }

    fn pack_by(&mut self, rule: Box<dyn PackRule>) {
        self.packs = Some(Box::new(Packs::new(rule, self.same_host)));
        self.block = vec![0; BLOCK].into_boxed_slice();
    }

    fn flush(&mut self) -> Result<(), VerbsError> {
        self.ahead.spoil_all();
        if !self.unflushed {
            return Ok(());
        }
        self.post("a fence", &mut [Piece::to_send(Request::fence().as_bytes())])?;
        self.take_outstanding(self.ahead.len())?;
        self.response_into("a fence", Piece::empty(), 0)?;
        self.unflushed = false;
        Ok(())
    }

    fn send(&mut self, parts: &[&[u8]]) -> Result<(), VerbsError> {
        // another socket carries the message: without the fence it could overtake the writes
        self.flush()?;
        let len = self.messages.send(&self.peer, parts)?;
        self.counters.messages += 1;
        self.counters.bytes_sent += len as u64;
        Ok(())
    }

    fn try_recv(&mut self, into: &mut Vec<u8>) -> Result<bool, VerbsError> {
        into.clear();
        let Some(len) = self.messages.try_receive(&self.peer, into)? else {
            return Ok(false);
        };
        self.counters.messages += 1;
        self.counters.bytes_received += len as u64;
        Ok(true)
    }

    fn arm(&mut self) -> bool {
        self.messages.has_buffered()
    }

    fn disarm(&mut self) {}

    fn fd(&self) -> BorrowedFd<'_> {
        self.messages.socket().as_fd()
    }

    fn shares_cpu(&self) -> bool {
        self.shares_cpu
    }

    fn counters(&self) -> Counters {
        self.counters
    }

    fn liveness_fd(&self) -> BorrowedFd<'_> {
        self.messages.socket().as_fd()
    }
}
