//! The control connection: how broken queue pairs are made again, and who is gone.
//!
//! A sleeping helper thread at each end reads it. It serves the peer's requests with the passive queue pair, and hands the
//! answers to our own requests over. It never runs while the link works.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags};
use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::inbox::Inbox;
use super::path::Address;
use crate::error::VerbsError;
use crate::helper;
use crate::names::NodeId;
use crate::poll;

/// "Make your passive queue pair again, for my fresh active one."
const REMAKE: u8 = 1;
/// "Done."
const REMADE: u8 = 2;
/// "Not now": the port is down, or the device refuses.
const REFUSED: u8 = 3;

/// A frame of the control connection.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
struct Frame {
    kind: u8,
    zero: [u8; 7],
    /// Which attempt this is about.
    attempt: U64,
    /// REMADE: the last SEND that was received.
    received: U64,
    /// REMAKE, REMADE: the fresh queue pair.
    address: Address,
}

/// The answer to a request.
pub(super) enum Answer {
    /// The peer's fresh queue pair, and the last SEND it received.
    Remade(Address, u64),
    /// Try again later.
    Refused,
}

/// What both threads of this end share.
pub(super) struct Control {
    stream: TcpStream,
    gone: AtomicBool,
    answer: Mutex<Option<Frame>>,
    arrived: Condvar,
}

impl Control {
    pub(super) fn new(stream: TcpStream) -> Arc<Control> {
        Arc::new(Control { stream, gone: AtomicBool::new(false), answer: Mutex::default(), arrived: Condvar::new() })
    }

    /// Reports `POLLRDHUP` when the peer's process is gone.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Whether the peer's process is gone, as far as the helper thread has seen.
    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    fn answer(&self) -> MutexGuard<'_, Option<Frame>> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_gone(&self) {
        self.gone.store(true, Ordering::Release);
        drop(self.answer());
        self.arrived.notify_all();
    }

    fn send(&self, frame: &Frame) -> io::Result<()> {
        // one write(2) of a short frame: frames of the two threads do not mix
        (&self.stream).write_all(frame.as_bytes())
    }

    /// Asks the peer to make its passive queue pair again, and waits for the answer until `deadline`.
    ///
    /// `None`: the peer is gone, or has not answered in time.
    pub(super) fn ask(&self, attempt: u64, ours: Address, deadline: Instant) -> Option<Answer> {
        *self.answer() = None;
        let frame = Frame { kind: REMAKE, address: ours, ..Frame::blank(attempt) };
        self.send(&frame).ok()?;
        let mut answer = self.answer();
        loop {
            if let Some(frame) = answer.take_if(|frame| frame.attempt.get() == attempt) {
                let remade = frame.kind == REMADE;
                return Some(if remade {
                    Answer::Remade(frame.address, frame.received.get())
                } else {
                    Answer::Refused
                });
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if self.is_gone() || left.is_zero() {
                return None;
            }
            answer = self.arrived.wait_timeout(answer, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until the peer is gone or `deadline` has passed; whether it is gone.
    pub(super) fn gone_by(&self, deadline: Instant) -> bool {
        let mut fds = [PollFd::new(&self.stream, PollFlags::RDHUP)];
        self.is_gone() || poll::wait(&mut fds, Some(deadline)).is_ok_and(|count| count > 0)
    }
}

impl Frame {
    fn blank(attempt: u64) -> Frame {
        Frame { attempt: U64::new(attempt), ..Frame::new_zeroed() }
    }
}

/// The helper thread; dropping it ends the connection and waits for the thread.
pub(super) struct Servant {
    control: Arc<Control>,
    thread: Option<JoinHandle<()>>,
}

impl Servant {
    /// # Errors
    /// `Local` when the kernel refuses another thread.
    pub(super) fn start(
        peer: NodeId,
        control: &Arc<Control>,
        inbox: &Arc<Mutex<Inbox>>,
    ) -> Result<Servant, VerbsError> {
        let (shared, inbox) = (Arc::clone(control), Arc::clone(inbox));
        let thread = helper::spawn(format!("eos-rdma-{}", peer.0), move || {
            // whatever ends the service: there is nobody to talk to any more
            let _ = serve(&shared, &inbox);
            shared.set_gone();
        })?;
        Ok(Servant { control: Arc::clone(control), thread: Some(thread) })
    }
}

impl Drop for Servant {
    fn drop(&mut self) {
        let _ = self.control.stream.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Serves until the connection ends or says something that makes no sense.
fn serve(control: &Control, inbox: &Mutex<Inbox>) -> io::Result<()> {
    let domain = lock(inbox).domain();
    loop {
        let events_fd = domain.events_fd();
        let mut fds = [PollFd::new(&control.stream, PollFlags::IN), PollFd::from_borrowed_fd(events_fd, PollFlags::IN)];
        poll::wait(&mut fds, None)?;
        domain.take_events();
        if fds[0].revents().is_empty() {
            continue;
        }
        let mut frame = Frame::new_zeroed();
        (&control.stream).read_exact(frame.as_mut_bytes())?;
        match frame.kind {
            REMAKE => control.send(&remake(&mut lock(inbox), &frame))?,
            REMADE | REFUSED => {
                *control.answer() = Some(frame);
                control.arrived.notify_all();
            }
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

fn remake(inbox: &mut Inbox, request: &Frame) -> Frame {
    let blank = Frame::blank(request.attempt.get());
    match inbox.remake(&request.address) {
        Ok(address) => Frame { kind: REMADE, received: U64::new(inbox.received()), address, ..blank },
        Err(_) => Frame { kind: REFUSED, ..blank },
    }
}

/// The lock of the inbox. A thread that panicked while holding it has ended the process.
pub(super) fn lock(inbox: &Mutex<Inbox>) -> MutexGuard<'_, Inbox> {
    inbox.lock().unwrap_or_else(PoisonError::into_inner)
}
