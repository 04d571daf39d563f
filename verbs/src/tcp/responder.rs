//! The serving side: one thread for each data socket, which reads and writes this node's region for the peer.
//!
//! # Safety
//! Addresses are made only from offsets that [`frame::inside`] has checked against the region, which the thread keeps
//! alive. Nothing here trusts the peer: a frame that makes no sense is answered and ends the connection.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use zerocopy::{FromBytes, IntoBytes};

use super::frame::{self, NONSENSE, OUT_OF_RANGE, Operation, REQUEST, Request, Response, SERVED};
use super::packed_service::PackedService;
use super::socket::{self, Piece};
use crate::error::VerbsError;
use crate::helper;
use crate::names::NodeId;
use crate::poll::Spinner;
use crate::region::Region;

/// Bytes taken from the socket at once: 15 page writes, or 4096 requests.
const INPUT: usize = 64 << 10;
/// Most responses that go out with one system call.
const BATCH: usize = 16;

/// A responder thread; dropping it ends the connection and waits for the thread.
pub(crate) struct Responder {
    socket: Arc<TcpStream>,
    thread: Option<JoinHandle<()>>,
}

impl Responder {
    /// Serves `region` to `peer` over `socket` until the connection ends.
    pub(crate) fn start(
        peer: NodeId,
        socket: TcpStream,
        region: Arc<Region>,
        spin: Duration,
    ) -> Result<Responder, VerbsError> {
        let socket = Arc::new(socket);
        let service =
            Service { socket: Arc::clone(&socket), region, spinner: Spinner::new(spin), refused: false, packed: None };
        let thread = helper::spawn(format!("eos-serve-{}", peer.0), move || service.run())?;
        Ok(Responder { socket, thread: Some(thread) })
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Service {
    socket: Arc<TcpStream>,
    region: Arc<Region>,
    spinner: Spinner,
    /// A write since the last fence was outside the region.
    refused: bool,
    /// Present once the peer has used packed data.
    packed: Option<Box<PackedService>>,
}

impl Service {
    fn run(mut self) {
        // the peer sees the end of the stream, whatever ended the service
        let _ = self.serve();
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    fn serve(&mut self) -> io::Result<()> {
        let mut input = vec![0; INPUT];
        let mut have = 0;
        loop {
            // SAFETY: inside `input`, which is not touched while the kernel fills it.
            let mut free = [unsafe { Piece::new(input[have..].as_mut_ptr(), INPUT - have) }];
            have += socket::receive_some(&self.socket, &mut free, &self.spinner)?;
            let used = self.serve_all(&input[..have])?;
            input.copy_within(used..have, 0);
            have -= used;
            // on one CPU with the peer it is its turn now; on two, its next request cannot be here yet
            self.spinner.give_way();
        }
    }

    /// Serves every whole request in `input`; returns how many bytes of it were used.
    fn serve_all(&mut self, input: &[u8]) -> io::Result<usize> {
        let mut at = 0;
        let mut batch = Batch::default();
        while let Ok((request, data)) = Request::read_from_prefix(&input[at..]) {
            at += REQUEST;
            let Some(operation) = request.operation() else {
                batch.send(&self.socket)?;
                return self.refuse();
            };
            match operation {
                Operation::Read { offset, len, packed: true } if len > 0 && self.is_inside(offset, len) => {
                    batch.send(&self.socket)?;
                    self.read_packed(offset, len, data)?;
                }
                Operation::Read { offset, len, .. } => self.read(offset, len, &mut batch),
                Operation::Fence => {
                    let status = if std::mem::take(&mut self.refused) { OUT_OF_RANGE } else { SERVED };
                    batch.push(Response::new(status, 0), None);
                }
                Operation::Write { offset, len, packed: true } => {
                    batch.send(&self.socket)?;
                    at += self.write_packed(offset, len, data)?;
                }
                Operation::Write { offset, len, packed: false } => {
                    batch.send(&self.socket)?; // an earlier read must not see this write
                    let here = &data[..len.min(data.len())];
                    self.write(offset, len, here)?;
                    at += here.len();
                }
            }
            if batch.is_full() {
                batch.send(&self.socket)?;
            }
        }
        batch.send(&self.socket)?;
        Ok(at)
    }

    fn read(&self, offset: u64, len: usize, batch: &mut Batch) {
        match frame::inside(offset, len, self.region.len()) {
            // SAFETY: start..start+len is inside the region, which outlives the batch; the kernel only reads it.
            Some(start) => batch.push(Response::new(SERVED, len), Some(unsafe { self.piece(start, len) })),
            None => batch.push(Response::new(OUT_OF_RANGE, 0), None),
        }
    }

    /// Places a write of `len` bytes, of which `here` have come; receives the rest straight into the region.
    fn write(&mut self, offset: u64, len: usize, here: &[u8]) -> io::Result<()> {
        let rest = len - here.len();
        let Some(start) = frame::inside(offset, len, self.region.len()) else {
            self.refused = true;
            return self.skip(rest);
        };
        // SAFETY: start..start+len is inside the region, and `here` is no part of it; whoever else writes these bytes now
        // breaks the rules of the layer above, and gets either value of each byte.
        unsafe { std::ptr::copy_nonoverlapping(here.as_ptr(), self.region.base().add(start), here.len()) };
        // SAFETY: as above.
        let mut place = [unsafe { self.piece(start + here.len(), rest) }];
        socket::receive_all(&self.socket, &mut place, &self.spinner)
    }

    fn is_inside(&self, offset: u64, len: usize) -> bool {
        frame::inside(offset, len, self.region.len()).is_some()
    }

    /// Answers a read inside the region with blocks. `after`: the requests that have come behind it.
    fn read_packed(&mut self, offset: u64, len: usize, after: &[u8]) -> io::Result<()> {
        let next = Request::read_from_prefix(after).ok().and_then(|(request, _)| request.operation());
        let more = matches!(next, Some(Operation::Read { .. }));
        let packed = self.packed.get_or_insert_with(|| Box::new(PackedService::new()));
        packed.read(&self.socket, &self.region, offset as usize, len, more)
    }

    /// Places a write that comes in blocks, of which some bytes `here` have come; returns how many of these it took.
    fn write_packed(&mut self, offset: u64, len: usize, here: &[u8]) -> io::Result<usize> {
        let start = frame::inside(offset, len, self.region.len());
        self.refused |= start.is_none();
        let packed = self.packed.get_or_insert_with(|| Box::new(PackedService::new()));
        match packed.write((&self.socket, &self.spinner), &self.region, start, len, here) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => self.refuse(),
            other => other,
        }
    }

    /// Answers that a request makes no sense, and ends the service.
    fn refuse(&self) -> io::Result<usize> {
        socket::send_all(&self.socket, &mut [Piece::to_send(Response::new(NONSENSE, 0).as_bytes())])?;
        Err(io::ErrorKind::InvalidData.into())
    }

    fn skip(&self, mut rest: usize) -> io::Result<()> {
        let mut waste = [0; 4096];
        while rest > 0 {
            let count = rest.min(waste.len());
            // SAFETY: inside `waste`.
            let mut place = [unsafe { Piece::new(waste.as_mut_ptr(), count) }];
            socket::receive_all(&self.socket, &mut place, &self.spinner)?;
            rest -= count;
        }
        Ok(())
    }

    /// # Safety
    /// `start..start+len` lies inside the region, and the piece is used before the service ends.
    unsafe fn piece(&self, start: usize, len: usize) -> Piece {
        // SAFETY: in bounds by the caller's promise; the region stays mapped as long as the service holds it.
        unsafe { Piece::new(self.region.base().add(start), len) }
    }
}

/// Responses that go out together.
#[derive(Default)]
struct Batch {
    count: usize,
    headers: [Option<Response>; BATCH],
    data: [Option<Piece>; BATCH],
}

impl Batch {
    fn push(&mut self, header: Response, data: Option<Piece>) {
        self.headers[self.count] = Some(header);
        self.data[self.count] = data;
        self.count += 1;
    }

    fn is_full(&self) -> bool {
        self.count == BATCH
    }

    fn send(&mut self, socket: &TcpStream) -> io::Result<()> {
        let mut pieces = [const { Piece::empty() }; 2 * BATCH];
        let mut used = 0;
        for (header, data) in self.headers.iter().zip(&mut self.data).take(self.count) {
            let header = header.as_ref().expect("every counted response was pushed");
            pieces[used] = Piece::to_send(header.as_bytes());
            used += 1;
            if let Some(data) = data.take() {
                pieces[used] = data;
                used += 1;
            }
        }
        self.count = 0;
        socket::send_all(socket, &mut pieces[..used])
    }
}
