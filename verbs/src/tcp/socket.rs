//! Sends and receives on raw memory, retried over signals, with a bounded spin.
//!
//! # Safety
//! Pages of a region change under us at any time (that is what one-sided means), so no reference to them may exist: these
//! functions take raw pieces of memory. Whoever makes a [`Piece`] promises that its memory stays mapped while it is used,
//! and that it is writable if it is received into. The kernel does every access.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags};

use crate::poll::{self, Spinner};

/// A piece of memory for the kernel to read from or write to.
#[repr(transparent)]
pub(crate) struct Piece(libc::iovec);

impl Piece {
    /// # Safety
    /// `base..base+len` stays mapped while the piece is used; writable (and not borrowed by Rust code) if received into.
    pub(crate) unsafe fn new(base: *mut u8, len: usize) -> Piece {
        Piece(libc::iovec { iov_base: base.cast(), iov_len: len })
    }

    /// No memory.
    pub(crate) const fn empty() -> Piece {
        Piece(libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 })
    }

    /// A piece to send from. The caller must keep `bytes` alive while the piece is used.
    pub(crate) fn to_send(bytes: &[u8]) -> Piece {
        Piece(libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() })
    }

    fn len(&self) -> usize {
        self.0.iov_len
    }

    fn advance(&mut self, count: usize) {
        debug_assert!(count <= self.len());
        self.0.iov_base = self.0.iov_base.cast::<u8>().wrapping_add(count).cast();
        self.0.iov_len -= count;
    }
}

/// Drops `count` bytes from the front of `pieces`; returns the index of the first that is not used up.
pub(crate) fn consume(pieces: &mut [Piece], mut count: usize) -> usize {
    for (index, piece) in pieces.iter_mut().enumerate() {
        if count < piece.len() {
            piece.advance(count);
            return index;
        }
        count -= piece.len();
        piece.advance(piece.len());
    }
    pieces.len()
}

/// sendmsg(2) or recvmsg(2) header for `pieces`.
fn header(pieces: &mut [Piece]) -> libc::msghdr {
    // SAFETY: all zeros is a valid msghdr: no name, no control data.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = pieces.as_mut_ptr().cast(); // Piece is repr(transparent)
    header.msg_iovlen = pieces.len();
    header
}

/// Sends all pieces, one after the other; waits while the socket is full.
///
/// # Errors
/// What sendmsg(2) says, except interruptions.
pub(crate) fn send_all(socket: &impl AsFd, pieces: &mut [Piece]) -> io::Result<()> {
    send_flagged(socket, pieces, libc::MSG_NOSIGNAL)
}

/// [`send_all`], but the kernel may hold the last part of a packet back until the next [`send_all`], or 200 ms (MSG_MORE).
///
/// # Errors
/// As [`send_all`].
pub(crate) fn send_more(socket: &impl AsFd, pieces: &mut [Piece]) -> io::Result<()> {
    send_flagged(socket, pieces, libc::MSG_NOSIGNAL | libc::MSG_MORE)
}

/// [`send_all`] or [`send_more`], but fails with `WouldBlock` where it would wait. What is left to send is what is left of the pieces.
///
/// # Errors
/// As [`send_all`].
pub(crate) fn send_now(socket: &impl AsFd, pieces: &mut [Piece], more: bool) -> io::Result<()> {
    let more = if more { libc::MSG_MORE } else { 0 };
    send_flagged(socket, pieces, libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT | more)
}

fn send_flagged(socket: &impl AsFd, mut pieces: &mut [Piece], flags: libc::c_int) -> io::Result<()> {
    let socket = socket.as_fd().as_raw_fd();
    while !pieces.is_empty() {
        // SAFETY: the memory of the pieces is valid by the promise of `Piece`; the kernel only reads it.
        let count = unsafe {
            match &mut *pieces {
                [one] => libc::send(socket, one.0.iov_base, one.len(), flags),
                many => libc::sendmsg(socket, &header(many), flags),
            }
        };
        match usize::try_from(count) {
            Ok(count) => {
                let first = consume(pieces, count);
                pieces = &mut pieces[first..];
            }
            Err(_) => go_on_if_interrupted(io::Error::last_os_error())?,
        }
    }
    Ok(())
}

fn go_on_if_interrupted(error: io::Error) -> io::Result<()> {
    if error.kind() == ErrorKind::Interrupted { Ok(()) } else { Err(error) }
}

/// One receive that does not wait: how many bytes came, or `WouldBlock`.
///
/// # Errors
/// `UnexpectedEof` when the stream has ended; what recvmsg(2) says, except interruptions.
pub(crate) fn receive_now(socket: &impl AsFd, pieces: &mut [Piece]) -> io::Result<usize> {
    receive_flagged(socket, pieces, libc::MSG_DONTWAIT)
}

fn receive_flagged(socket: &impl AsFd, pieces: &mut [Piece], flags: libc::c_int) -> io::Result<usize> {
    let socket = socket.as_fd().as_raw_fd();
    loop {
        // SAFETY: the memory of the pieces is valid and writable by the promise of `Piece::new`.
        let count = unsafe {
            match &mut *pieces {
                [one] => libc::recv(socket, one.0.iov_base, one.len(), flags),
                many => libc::recvmsg(socket, &mut header(many), flags),
            }
        };
        match usize::try_from(count) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => return Ok(count),
            Err(_) => go_on_if_interrupted(io::Error::last_os_error())?,
        }
    }
}

/// Receives at least one byte: spins a bounded time, then sleeps until bytes come.
///
/// # Errors
/// As [`receive_now`], except `WouldBlock`.
pub(crate) fn receive_some(socket: &impl AsFd, pieces: &mut [Piece], spinner: &Spinner) -> io::Result<usize> {
    if spinner.never_spins() {
        return receive_flagged(socket, pieces, 0);
    }
    let mut patience = spinner.begin(None);
    loop {
        match receive_now(socket, pieces) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            other => return other,
        }
        if !patience.try_again() {
            sleep_until_readable(socket.as_fd())?;
            patience.renew();
        }
    }
}

/// Receives until all pieces are full.
///
/// # Errors
/// As [`receive_some`].
pub(crate) fn receive_all(socket: &impl AsFd, mut pieces: &mut [Piece], spinner: &Spinner) -> io::Result<()> {
    let mut first = consume(pieces, 0);
    while first < pieces.len() {
        pieces = &mut pieces[first..];
        let count = receive_some(socket, pieces, spinner)?;
        first = consume(pieces, count);
    }
    Ok(())
}

fn sleep_until_readable(socket: BorrowedFd<'_>) -> io::Result<()> {
    let mut fds = [PollFd::from_borrowed_fd(socket, PollFlags::IN)];
    poll::wait(&mut fds, None)?;
    Ok(())
}
