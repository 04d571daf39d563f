//! Requests on their way out, and their responses on the way back.
//!
//! # Safety
//! Pieces are made of the bounce buffer, which the queue pair owns and only lends until its next call, and of slices
//! that the caller lends for the call.

use std::io::ErrorKind;
use std::net::Shutdown;

use zerocopy::IntoBytes;

use super::frame::{NONSENSE, OUT_OF_RANGE, RESPONSE, Request, Response, SERVED};
use super::queue_pair::TcpQueuePair;
use super::socket::{self, Piece};
use crate::error::VerbsError;
use crate::packing::Way;
use crate::queue_pair::TRANSFER_MAX;

/// Most reads of a list that are under way: their requests (1 KiB) always fit in the socket, so that the responder, which may
/// be waiting for us to take its responses, can never keep us from sending them.
pub(super) const WINDOW: usize = 64;

/// Most writes that go out by one call.
pub(super) const WRITES: usize = 32;

impl TcpQueuePair {
    pub(super) fn check(&self, what: &'static str, offset: u64, len: usize) -> Result<(), VerbsError> {
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

    pub(super) fn post(&mut self, what: &'static str, pieces: &mut [Piece]) -> Result<(), VerbsError> {
        self.post_flagged(what, pieces, self.ahead.len(), false)
    }

    /// Sends requests. A responder that waits for us to take what was read ahead takes none: then we take that first. Of what is
    /// read ahead `requested` entries have been.
    pub(super) fn post_flagged(
        &mut self,
        what: &'static str,
        pieces: &mut [Piece],
        requested: usize,
        more: bool,
    ) -> Result<(), VerbsError> {
        if self.ahead.arrived() < requested {
            match socket::send_now(&self.data, pieces, more) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.take_outstanding(requested)?,
                sent => return sent.map_err(|error| VerbsError::link(&self.peer, what, error)),
            }
        }
        let sent = if more { socket::send_more(&self.data, pieces) } else { socket::send_all(&self.data, pieces) };
        sent.map_err(|error| VerbsError::link(&self.peer, what, error))
    }

    /// Takes the bytes of what was read ahead off the socket: of the first `count` entries, all of which were requested.
    pub(super) fn take_outstanding(&mut self, count: usize) -> Result<(), VerbsError> {
        while self.ahead.arrived() < count
            && let Some(entry) = self.ahead.next_outstanding()
        {
            // SAFETY: the entry's own part of the mapping, of which nothing is borrowed: we hold `&mut self`.
            let place = unsafe { self.ahead_bytes.bytes_mut(entry.at, entry.len) };
            self.take_data("reading ahead", place, entry.packed)?;
            self.ahead.arrive();
            self.counters.bytes_received += entry.len as u64;
        }
        Ok(())
    }

    /// Takes the next response, whose data has `len` bytes. `pieces` take the response (its header comes to lie at `header`)
    /// and then the data.
    ///
    /// # Safety
    /// `header` can be read once the first [`RESPONSE`] bytes of `pieces` are filled.
    pub(super) unsafe fn response(
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
    pub(super) fn response_into(&self, what: &'static str, place: Piece, len: usize) -> Result<(), VerbsError> {
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

    /// The peer sent a block that makes no sense. The link is of no more use.
    #[cold]
    pub(super) fn malformed(&self) -> VerbsError {
        let _ = self.data.shutdown(Shutdown::Both);
        VerbsError::protocol(&self.peer, "it sent compressed data that makes no sense")
    }

    /// Posts at most [`WRITES`] writes whose data goes as it is, by one call: the kernel makes large segments of them, where a call for each makes
    /// a segment for each packet.
    pub(super) fn post_together(&mut self, writes: &[(u64, &[u8])]) -> Result<(), VerbsError> {
        let mut requests = [Request::fence(); WRITES];
        for (request, (offset, data)) in requests.iter_mut().zip(writes) {
            self.check("a write", *offset, data.len())?;
            self.ahead.spoil(*offset, data.len());
            *request = Request::write(*offset, data.len(), false);
        }
        let mut pieces = [const { Piece::empty() }; 2 * WRITES];
        for ((pair, request), (_, data)) in pieces.chunks_exact_mut(2).zip(&requests).zip(writes) {
            pair[0] = Piece::to_send(request.as_bytes());
            pair[1] = Piece::to_send(data);
        }
        self.post_flagged("a list of writes", &mut pieces[..2 * writes.len()], self.ahead.len(), true)?;
        writes.iter().for_each(|(_, data)| self.posted(data));
        Ok(())
    }

    /// A write is on its way.
    pub(super) fn posted(&mut self, data: &[u8]) {
        if let Some(packs) = &mut self.packs {
            packs.look(Way::Write, &self.data, data);
        }
        self.counters.writes += 1;
        self.counters.bytes_sent += data.len() as u64;
        self.unflushed = true;
    }

    /// Posts the requests for `reads`, at most [`WINDOW`] of them.
    pub(super) fn post_reads(
        &mut self,
        reads: &[(u64, usize)],
        packed: bool,
        requested: usize,
    ) -> Result<(), VerbsError> {
        let mut requests = [Request::fence(); WINDOW];
        for (request, &(offset, len)) in requests.iter_mut().zip(reads) {
            *request = Request::read(offset, len, packed);
        }
        let mut pieces = [Piece::to_send(requests[..reads.len()].as_bytes())];
        self.post_flagged("a list of reads", &mut pieces, requested, false)
    }
}
