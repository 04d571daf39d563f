//! Messages over one socket.

use std::io::ErrorKind;
use std::net::TcpStream;

use super::socket::{self, Piece};
use crate::error::VerbsError;
use crate::message::{self, Assembly};
use crate::names::PeerName;

/// Bytes taken from the socket at once; more of a long message goes straight to its place.
const INPUT: usize = 64 << 10;
/// Most a long message's memory grows by before the bytes are there.
const GROW_MAX: usize = 1 << 20;
/// Parts of a message that go out with one system call.
const PARTS: usize = 16;

/// The message socket of a tcp link.
pub(super) struct Messages {
    socket: TcpStream,
    input: Box<[u8]>,
    start: usize,
    end: usize,
    assembly: Assembly,
}

impl Messages {
    pub(super) fn new(socket: TcpStream) -> Messages {
        let input = vec![0; INPUT].into_boxed_slice();
        Messages { socket, input, start: 0, end: 0, assembly: Assembly::default() }
    }

    pub(super) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Sends one message; returns its length.
    pub(super) fn send(&mut self, peer: &PeerName, parts: &[&[u8]]) -> Result<usize, VerbsError> {
        let (header, len) = message::header(parts, peer)?;
        let mut pieces = [const { Piece::empty() }; PARTS];
        pieces[0] = Piece::to_send(&header);
        let mut used = 1;
        for part in parts {
            if used == PARTS {
                self.send_pieces(peer, &mut pieces)?;
                used = 0;
            }
            pieces[used] = Piece::to_send(part);
            used += 1;
        }
        self.send_pieces(peer, &mut pieces[..used])?;
        Ok(len)
    }

    fn send_pieces(&self, peer: &PeerName, pieces: &mut [Piece]) -> Result<(), VerbsError> {
        socket::send_all(&self.socket, pieces).map_err(|error| VerbsError::link(peer, "a message", error))
    }

    /// The next message if all of it is here; returns its length.
    pub(super) fn try_receive(&mut self, peer: &PeerName, into: &mut Vec<u8>) -> Result<Option<usize>, VerbsError> {
        loop {
            self.start += self.assembly.feed(&self.input[self.start..self.end], peer)?;
            if self.assembly.is_complete() {
                return Ok(Some(self.assembly.take(into)));
            }
            // the assembly took all: the buffer is empty
            match self.refill() {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(VerbsError::link(peer, "receiving a message", error)),
            }
        }
    }

    /// Gets more bytes, without waiting: the rest of a long message goes straight to its place.
    fn refill(&mut self) -> std::io::Result<()> {
        let missing = self.assembly.missing();
        if missing >= INPUT {
            let body = self.assembly.body();
            let room = missing.min(GROW_MAX);
            body.reserve(room);
            // SAFETY: `reserve` made room for these bytes behind the length; nobody else holds the vector.
            let mut place = [unsafe { Piece::new(body.as_mut_ptr().add(body.len()), room) }];
            let count = socket::receive_now(&self.socket, &mut place)?;
            // SAFETY: the kernel has filled `count` <= room bytes behind the length.
            unsafe { body.set_len(body.len() + count) };
            return Ok(());
        }
        // SAFETY: inside `input`, which is not touched while the kernel fills it.
        let mut place = [unsafe { Piece::new(self.input.as_mut_ptr(), INPUT) }];
        (self.start, self.end) = (0, 0);
        self.end = socket::receive_now(&self.socket, &mut place)?;
        Ok(())
    }

    /// Whether bytes were taken from the socket that no message was made of yet.
    pub(super) fn has_buffered(&self) -> bool {
        self.start < self.end
    }
}
