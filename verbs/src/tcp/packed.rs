//! Packed data of the initiating side: blocks that are sent, and blocks that arrive.
//!
//! # Safety
//! Pieces are made of slices that are borrowed exclusively for the call.

use zerocopy::IntoBytes;
use zerocopy::little_endian::U32;

use super::block::{self, BLOCK, BLOCK_HEADER, Malformed};
use super::frame::Request;
use super::queue_pair::TcpQueuePair;
use super::socket::{self, Piece};
use crate::error::VerbsError;
use crate::packing::Way;

impl TcpQueuePair {
    /// Whether to compress `len` bytes that go this way.
    pub(super) fn packs(&self, way: Way, len: usize) -> bool {
        self.packs.as_ref().is_some_and(|packs| packs.packs(way, len))
    }

    /// Posts a write whose data goes in blocks.
    pub(super) fn post_packed(&mut self, offset: u64, data: &[u8]) -> Result<(), VerbsError> {
        let Some(mut packs) = self.packs.take() else { return Ok(()) };
        let request = Request::write(offset, data.len(), true);
        let mut head = request.as_bytes();
        let posted = data.chunks(BLOCK).try_for_each(|raw| {
            let wire = packs.packer.pack(raw);
            self.counters.saved_sent += (raw.len() - wire.len()) as u64;
            let header = block::header(wire);
            let mut pieces = [std::mem::take(&mut head), header.as_bytes(), wire].map(Piece::to_send);
            self.post_flagged("a write", &mut pieces, self.ahead.len(), true)
        });
        self.packs = Some(packs);
        posted
    }

    /// Takes the next response with its data, which comes in blocks if it was asked for `packed`.
    pub(super) fn take_data(&mut self, what: &'static str, into: &mut [u8], packed: bool) -> Result<(), VerbsError> {
        let len = into.len();
        if !packed || len == 0 {
            // SAFETY: `into` is lent to us for this call.
            let place = unsafe { Piece::new(into.as_mut_ptr(), len) };
            return self.response_into(what, place, len);
        }
        let mut header = U32::ZERO;
        // SAFETY: this function's own variable.
        let place = unsafe { Piece::new(header.as_mut_bytes().as_mut_ptr(), BLOCK_HEADER) };
        self.response_into(what, place, len)?;
        let mut blocks = into.chunks_mut(BLOCK).peekable();
        while let Some(raw) = blocks.next() {
            header = self.take_block(what, header, raw, blocks.peek().is_some())?;
        }
        Ok(())
    }

    /// Takes the block that `header` tells of, and the header after it if there is `another`.
    fn take_block(
        &mut self,
        what: &'static str,
        header: U32,
        raw: &mut [u8],
        another: bool,
    ) -> Result<U32, VerbsError> {
        let Ok(len) = block::wire_len(header, raw.len()) else { return Err(self.malformed()) };
        if len == raw.len() {
            return self.take_piece(what, raw, another);
        }
        let mut wire = std::mem::take(&mut self.block);
        let next = self.take_piece(what, &mut wire[..len], another);
        let unpacked = block::unpack(&wire[..len], raw);
        self.block = wire;
        match (next, unpacked) {
            (Ok(next), Ok(())) => {
                self.counters.saved_received += (raw.len() - len) as u64;
                Ok(next)
            }
            (Err(error), _) => Err(error),
            (Ok(_), Err(Malformed)) => Err(self.malformed()),
        }
    }

    /// Fills `place`, and takes the header after it if there is `another`.
    fn take_piece(&self, what: &'static str, place: &mut [u8], another: bool) -> Result<U32, VerbsError> {
        let mut next = U32::ZERO;
        let header = if another { next.as_mut_bytes() } else { &mut [] };
        // SAFETY: both are lent to us for this call.
        let mut pieces = unsafe { [place, header].map(|bytes| Piece::new(bytes.as_mut_ptr(), bytes.len())) };
        socket::receive_all(&self.data, &mut pieces, &self.spinner)
            .map_err(|error| VerbsError::link(&self.peer, what, error))?;
        Ok(next)
    }
}
