//! Requests and answers over a stream socket, with nothing but the kernel between the two processes.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use super::sample::Samples;

/// Bytes of a request for one page.
pub const REQUEST_BYTES: usize = 32;
/// Bytes of the page that answers it.
pub const PAGE_BYTES: usize = 4096;
/// Bytes of a jump in the ElasticOS paper.
pub const JUMP_BYTES: usize = 9 << 10;

/// How an end waits for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Waiting {
    /// Sleeps in the kernel.
    Blocking,
    /// Asks again and again, and yields the CPU in between.
    Polling,
}

impl std::fmt::Display for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Blocking => "blocking",
            Self::Polling => "polling",
        })
    }
}

/// What the two ends of a benchmark agree on first.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Bytes of each request.
    pub request_bytes: usize,
    /// Bytes of each answer.
    pub answer_bytes: usize,
    /// How both ends wait.
    pub waiting: Waiting,
    /// CPU of the peer.
    pub peer_cpu: Option<usize>,
    /// The peer answers with a random page of a store of so many; 0: with the same bytes again and again.
    pub store_pages: usize,
}

const TERMS_BYTES: usize = 20;
const ANY_CPU: u32 = u32::MAX;
/// The largest store of a peer, 1 GiB.
const STORE_PAGES_MAX: usize = 1 << 18;
/// The longest message that a peer accepts.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

impl Terms {
    fn encode(self) -> [u8; TERMS_BYTES] {
        let polling = u32::from(self.waiting == Waiting::Polling);
        let cpu = self.peer_cpu.map_or(ANY_CPU, |cpu| cpu as u32);
        let mut bytes = [0; TERMS_BYTES];
        let words = [self.request_bytes as u32, self.answer_bytes as u32, polling, cpu, self.store_pages as u32];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Reads terms that a client sent.
    pub(super) fn receive(stream: &mut impl Read) -> io::Result<Self> {
        let mut bytes = [0; TERMS_BYTES];
        stream.read_exact(&mut bytes)?;
        let word = |i: usize| u32::from_le_bytes([bytes[4 * i], bytes[4 * i + 1], bytes[4 * i + 2], bytes[4 * i + 3]]);
        let (request_bytes, answer_bytes) = (word(0) as usize, word(1) as usize);
        if !(1..=MESSAGE_BYTES_MAX).contains(&request_bytes) || !(1..=MESSAGE_BYTES_MAX).contains(&answer_bytes) {
            return Err(Self::nonsense());
        }
        let store_pages = word(4) as usize;
        if store_pages > STORE_PAGES_MAX || (store_pages > 0 && answer_bytes != PAGE_BYTES) {
            return Err(Self::nonsense());
        }
        let waiting = if word(2) == 1 { Waiting::Polling } else { Waiting::Blocking };
        let peer_cpu = (word(3) != ANY_CPU).then_some(word(3) as usize);
        Ok(Self { request_bytes, answer_bytes, waiting, peer_cpu, store_pages })
    }

    fn nonsense() -> io::Error {
        io::Error::new(ErrorKind::InvalidData, "terms that no client of this version sends")
    }
}

/// A stream socket of either family.
pub trait Wire: Read + Write {
    /// Makes calls return at once or not.
    ///
    /// # Errors
    /// Those of the kernel.
    fn set_polling(&self, polling: bool) -> io::Result<()>;
}

impl Wire for TcpStream {
    fn set_polling(&self, polling: bool) -> io::Result<()> {
        self.set_nodelay(true)?;
        self.set_nonblocking(polling)
    }
}

impl Wire for UnixStream {
    fn set_polling(&self, polling: bool) -> io::Result<()> {
        self.set_nonblocking(polling)
    }
}

/// Reads exactly `into.len()` bytes; while there are none, yields the CPU if the socket polls.
///
/// # Errors
/// Those of the socket; `UnexpectedEof` when the other end closed it.
pub fn receive(wire: &mut impl Wire, mut into: &mut [u8]) -> io::Result<()> {
    while !into.is_empty() {
        match wire.read(into) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(len) => into = &mut into[len..],
            Err(e) if e.kind() == ErrorKind::WouldBlock => rustix::thread::sched_yield(),
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Writes all of `bytes`; yields the CPU while a polling socket takes none.
///
/// # Errors
/// Those of the socket.
pub fn send(wire: &mut impl Wire, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match wire.write(bytes) {
            Ok(len) => bytes = &bytes[len..],
            Err(e) if e.kind() == ErrorKind::WouldBlock => rustix::thread::sched_yield(),
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Times `count` round trips, in microseconds, after a tenth as many to warm up.
///
/// # Errors
/// Those of the socket.
pub fn round_trips(wire: &mut impl Wire, terms: Terms, count: usize) -> io::Result<Samples> {
    send(wire, &terms.encode())?;
    wire.set_polling(terms.waiting == Waiting::Polling)?;
    let request = vec![0x5a; terms.request_bytes];
    let mut answer = vec![0; terms.answer_bytes];
    let mut us = Vec::with_capacity(count);
    for trip in 0..count + count / 10 {
        let start = Instant::now();
        send(wire, &request)?;
        receive(wire, &mut answer)?;
        if trip >= count / 10 {
            us.push(start.elapsed().as_secs_f64() * 1e6);
        }
    }
    Ok(Samples::new(us))
}

#[cfg(test)]
mod tests {
    use super::{Terms, Waiting};

    #[test]
    fn terms_survive_the_wire_and_nonsense_is_refused() {
        let (waiting, peer_cpu) = (Waiting::Polling, Some(1));
        let terms = Terms { request_bytes: 32, answer_bytes: 4096, waiting, peer_cpu, store_pages: 77 };
        let read = Terms::receive(&mut &terms.encode()[..]).expect("valid terms");
        assert_eq!(read.store_pages, 77);
        assert_eq!((read.request_bytes, read.answer_bytes), (32, 4096));
        assert_eq!((read.waiting, read.peer_cpu), (Waiting::Polling, Some(1)));
        assert!(Terms::receive(&mut &[0xff; 20][..]).is_err());
        assert!(Terms::receive(&mut &[0; 3][..]).is_err());
    }
}
