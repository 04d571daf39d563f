//! Packed data at the serving side.
//!
//! # Safety
//! The region changes under us at any time, so no reference to it is made: its bytes are copied out before they are compressed, and
//! in after they were expanded. Whoever calls has checked the range against the region.

use std::io::{self, ErrorKind};
use std::net::TcpStream;

use zerocopy::IntoBytes;
use zerocopy::little_endian::U32;

use super::block::{self, BLOCK, Malformed, Packer};
use super::frame::{Response, SERVED};
use super::socket::{self, Piece};
use crate::poll::Spinner;
use crate::region::Region;

/// What a responder needs once its peer uses packed data: some 110 KiB.
pub(super) struct PackedService {
    packer: Packer,
    /// A block as it lies in the region, and as it comes over the wire.
    raw: Box<[u8]>,
    wire: Box<[u8]>,
}

impl From<Malformed> for io::Error {
    fn from(_: Malformed) -> io::Error {
        ErrorKind::InvalidData.into()
    }
}

impl PackedService {
    pub(super) fn new() -> PackedService {
        let [raw, wire] = [BLOCK; 2].map(|len| vec![0; len].into_boxed_slice());
        PackedService { packer: Packer::new(), raw, wire }
    }

    /// Answers a read of `len` bytes at `start`, which lie inside the region. `more`: another response follows at once, so the kernel may
    /// hold the end of this one back.
    pub(super) fn read(
        &mut self,
        socket: &TcpStream,
        region: &Region,
        start: usize,
        len: usize,
        more: bool,
    ) -> io::Result<()> {
        let response = Response::new(SERVED, len);
        let mut head = response.as_bytes();
        let mut done = 0;
        while done < len {
            let raw = &mut self.raw[..BLOCK.min(len - done)];
            // SAFETY: inside the region, which is mapped as long as it is borrowed, and no part of our buffer; bytes that somebody
            // writes now have either value.
            unsafe { std::ptr::copy_nonoverlapping(region.base().add(start + done), raw.as_mut_ptr(), raw.len()) };
            done += raw.len();
            let wire = self.packer.pack(raw);
            let header = block::header(wire);
            let mut pieces = [std::mem::take(&mut head), header.as_bytes(), wire].map(Piece::to_send);
            match more || done < len {
                true => socket::send_more(&socket, &mut pieces)?,
                false => socket::send_all(&socket, &mut pieces)?,
            }
        }
        Ok(())
    }

    /// Takes a write of `len` bytes, and places it at `start`, where it lies inside the region; `None`: nowhere. `here` has come
    /// already; returns how many bytes of it were used.
    ///
    /// # Errors
    /// `InvalidData` for a block that makes no sense; what was before it is placed. What receiving says.
    pub(super) fn write(
        &mut self,
        (socket, spinner): (&TcpStream, &Spinner),
        region: &Region,
        start: Option<usize>,
        len: usize,
        here: &[u8],
    ) -> io::Result<usize> {
        let mut source = Source { here, socket, spinner };
        let mut done = 0;
        while done < len {
            let raw = &mut self.raw[..BLOCK.min(len - done)];
            let mut header = U32::ZERO;
            source.take(header.as_mut_bytes())?;
            let wire_len = block::wire_len(header, raw.len())?;
            if wire_len == raw.len() {
                source.take(raw)?;
            } else {
                let wire = &mut self.wire[..wire_len];
                source.take(wire)?;
                block::unpack(wire, raw)?;
            }
            if let Some(start) = start {
                // SAFETY: inside the region, which is mapped as long as it is borrowed, and no part of our buffer; whoever else
                // writes these bytes now breaks the rules of the layer above, and gets either value of each byte.
                unsafe { std::ptr::copy_nonoverlapping(raw.as_ptr(), region.base().add(start + done), raw.len()) };
            }
            done += raw.len();
        }
        Ok(here.len() - source.here.len())
    }
}

/// Bytes that have come, and those that will.
struct Source<'a> {
    here: &'a [u8],
    socket: &'a TcpStream,
    spinner: &'a Spinner,
}

impl Source<'_> {
    /// Fills `into`.
    fn take(&mut self, into: &mut [u8]) -> io::Result<()> {
        let (now, after) = self.here.split_at(into.len().min(self.here.len()));
        let (first, rest) = into.split_at_mut(now.len());
        first.copy_from_slice(now);
        self.here = after;
        // SAFETY: lent to us for this call.
        let mut place = [unsafe { Piece::new(rest.as_mut_ptr(), rest.len()) }];
        socket::receive_all(&self.socket, &mut place, self.spinner)
    }
}
