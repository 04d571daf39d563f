//! The initiating side of the data sockets, and the messages.
//!
//! # Safety
//! Pieces are made of the bounce buffer, which this queue pair owns and only lends until its next call, and of slices
//! that the caller lends for the call.

use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};

use zerocopy::IntoBytes;

use super::bounce::Bounce;
use super::frame::{NONSENSE, OUT_OF_RANGE, RESPONSE, Request, Response, SERVED};
use super::messages::Messages;
use super::responder::Responder;
use super::socket::{self, Piece};
use crate::error::VerbsError;
use crate::names::{NodeId, PeerName, TransportKind};
use crate::poll::Spinner;
use crate::queue_pair::{Counters, QueuePair, TRANSFER_MAX};

/// Most reads of a list that are under way: their requests (1 KiB) always fit in the socket, so that the responder, which may
/// be waiting for us to take its responses, can never keep us from sending them.
const WINDOW: usize = 64;

/// One end of a tcp link.
pub struct TcpQueuePair {
    pub(super) peer: PeerName,
    pub(super) peer_region_len: u64,
    pub(super) data: TcpStream,
    pub(super) messages: Messages,
    pub(super) bounce: Bounce,
    pub(super) spinner: Spinner,
    pub(super) counters: Counters,
    /// Writes were posted since the last fence.
    pub(super) unflushed: bool,
    /// Serves the other direction as long as this end lives.
    pub(super) _responder: Responder,
}

impl TcpQueuePair {
    fn check(&self, what: &'static str, offset: u64, len: usize) -> Result<(), VerbsError> {
        if len > TRANSFER_MAX {
            return Err(VerbsError::TooLong { peer: self.peer.clone(), what, len, limit: TRANSFER_MAX });
        }
        match offset.checked_add(len as u64) {
            Some(end) if end <= self.peer_region_len => Ok(()),
            _ => Err(self.out_of_range(offset, len)),
        }
    }

    #[cold]
    fn out_of_range(&self, offset: u64, len: usize) -> VerbsError {
        VerbsError::OutOfRange { peer: self.peer.clone(), offset, len, region_len: self.peer_region_len }
    }

    fn post(&self, what: &'static str, pieces: &mut [Piece]) -> Result<(), VerbsError> {
        socket::send_all(&self.data, pieces).map_err(|error| VerbsError::link(&self.peer, what, error))
    }

    /// Takes the next response, whose data has `len` bytes. `pieces` take the response (its header comes to lie at `header`)
    /// and then the data.
    ///
    /// # Safety
    /// `header` can be read once the first [`RESPONSE`] bytes of `pieces` are filled.
    unsafe fn response(
        &self,
        what: &'static str,
        header: *const Response,
        mut pieces: &mut [Piece],
        len: usize,
    ) -> Result<(), VerbsError> {
        let link = |error| VerbsError::link(&self.peer, what, error);
        let mut have = 0;
        while have < RESPONSE {
            let count = socket::receive_some(&self.data, pieces, &self.spinner).map_err(link)?;
            let first = socket::consume(pieces, count);
            pieces = &mut pieces[first..];
            have += count;
        }
        // SAFETY: the header is there; any bytes make a valid `Response`.
        let header = unsafe { header.read() };
        if header.status != SERVED || header.len.get() as usize != len {
            return Err(self.unserved(header, have));
        }
        socket::receive_all(&self.data, pieces, &self.spinner).map_err(link)
    }

    /// [`response`](Self::response) whose data goes to `place`.
    fn response_into(&self, what: &'static str, place: Piece, len: usize) -> Result<(), VerbsError> {
        let mut header = Response::new(NONSENSE, 0);
        let header = &raw mut header;
        // SAFETY: `header` lives to the end of this function, and only the kernel writes it.
        let mut pieces = [unsafe { Piece::new(header.cast(), RESPONSE) }, place];
        // SAFETY: the first piece is the header.
        unsafe { self.response(what, header, &mut pieces, len) }
    }

    /// The peer did not serve a request that is inside its region: one of us is wrong about it. The link is of no more use.
    #[cold]
    fn unserved(&self, header: Response, have: usize) -> VerbsError {
        let _ = self.data.shutdown(Shutdown::Both);
        let what = match header.status {
            OUT_OF_RANGE if have == RESPONSE => "it says that its region is shorter than it announced",
            NONSENSE if have == RESPONSE => "it does not understand a request",
            _ => "it sent a response that fits no request",
        };
        VerbsError::protocol(&self.peer, what)
    }

    /// Posts the requests for `reads`, at most [`WINDOW`] of them.
    fn post_reads(&self, reads: &[(u64, usize)]) -> Result<(), VerbsError> {
        let mut requests = [Request::fence(); WINDOW];
        for (request, &(offset, len)) in requests.iter_mut().zip(reads) {
            *request = Request::read(offset, len);
        }
        self.post("a list of reads", &mut [Piece::to_send(requests[..reads.len()].as_bytes())])
    }
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
        self.post("a read", &mut [Piece::to_send(Request::read(offset, len).as_bytes())])?;
        // on one CPU with the responder this is its turn; on two, the response cannot be here yet
        self.spinner.give_way();
        let header = self.bounce.header();
        // SAFETY: `check` has bounded len by the size of the bounce buffer, which nobody borrows: we hold `&mut self`; the
        // header lies right before it in the same mapping.
        unsafe {
            let mut place = [Piece::new(header.cast(), RESPONSE + len)];
            self.response("a read", header, &mut place, len)?;
        }
        self.counters.reads += 1;
        self.counters.bytes_received += len as u64;
        Ok(self.bounce.bytes(len))
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
        let (mut posted, mut rest) = (0, into);
        for (taken, &(_, len)) in reads.iter().enumerate() {
            // when half of the window has come, the next half goes out with one call
            if posted < reads.len() && posted - taken <= WINDOW / 2 {
                let next = reads.len().min(taken + WINDOW);
                self.post_reads(&reads[posted..next])?;
                posted = next;
            }
            let (place, after) = rest.split_at_mut(len);
            // SAFETY: `place` is lent to us for this call.
            let place = unsafe { Piece::new(place.as_mut_ptr(), len) };
            self.response_into("a list of reads", place, len)?;
            rest = after;
        }
        self.counters.reads += reads.len() as u64;
        self.counters.bytes_received += sum as u64;
        Ok(())
    }

    fn post_write(&mut self, offset: u64, data: &[u8]) -> Result<(), VerbsError> {
        self.check("a write", offset, data.len())?;
        let request = Request::write(offset, data.len());
        // the next fence or read pushes what the kernel holds back; full packets go at once
        socket::send_more(&self.data, &mut [Piece::to_send(request.as_bytes()), Piece::to_send(data)])
            .map_err(|error| VerbsError::link(&self.peer, "a write", error))?;
        self.counters.writes += 1;
        self.counters.bytes_sent += data.len() as u64;
        self.unflushed = true;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), VerbsError> {
        if !self.unflushed {
            return Ok(());
        }
        self.post("a fence", &mut [Piece::to_send(Request::fence().as_bytes())])?;
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

    fn counters(&self) -> Counters {
        self.counters
    }

    fn liveness_fd(&self) -> BorrowedFd<'_> {
        self.messages.socket().as_fd()
    }
}
