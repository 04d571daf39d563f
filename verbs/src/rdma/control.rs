//! The control connection: how the peer is asked for what only its processor can do, and who is gone.
//!
//! A sleeping helper thread at each end reads it (`servant`). It never runs while the link works, but when the peer first wants
//! an extent of the region.

use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags};
use zerocopy::IntoBytes;

use super::frame::{Frame, KEY, REMAKE, VERIFIED};
use super::path::Address;
use crate::poll;

/// The answer to a request for a fresh queue pair.
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
    heard: Mutex<Heard>,
    arrived: Condvar,
}

/// What the peer has said.
#[derive(Default)]
struct Heard {
    answer: Option<Frame>,
    verified: bool,
}

impl Control {
    pub(super) fn new(stream: TcpStream) -> Arc<Control> {
        Arc::new(Control { stream, gone: AtomicBool::new(false), heard: Mutex::default(), arrived: Condvar::new() })
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Reports `POLLRDHUP` when the peer's process is gone.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Whether the peer's process is gone, as far as the helper thread has seen.
    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    pub(super) fn set_gone(&self) {
        self.gone.store(true, Ordering::Release);
        self.hear(|_| ());
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, note: impl FnOnce(&mut Heard)) {
        note(&mut self.heard());
        self.arrived.notify_all();
    }

    /// The helper thread has read an answer.
    pub(super) fn hear_answer(&self, answer: Frame) {
        self.hear(|heard| heard.answer = Some(answer));
    }

    /// The helper thread has read that the peer's half of the link works.
    pub(super) fn hear_verified(&self) {
        self.hear(|heard| heard.verified = true);
    }

    pub(super) fn send(&self, frame: &Frame) -> io::Result<()> {
        // one write(2) of a short frame: frames of the two threads do not mix
        (&self.stream).write_all(frame.as_bytes())
    }

    /// Waits until the peer has said what `take` looks for; `None`: it is gone, or has not said it by `deadline`.
    fn wait_for<T>(&self, deadline: Instant, mut take: impl FnMut(&mut Heard) -> Option<T>) -> Option<T> {
        let mut heard = self.heard();
        loop {
            if let Some(found) = take(&mut heard) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if self.is_gone() || left.is_zero() {
                return None;
            }
            heard = self.arrived.wait_timeout(heard, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn ask(&self, request: &Frame, deadline: Instant) -> Option<Frame> {
        self.heard().answer = None;
        self.send(request).ok()?;
        self.wait_for(deadline, |heard| heard.answer.take_if(|answer| answer.answers(request)))
    }

    /// Asks the peer to make its passive queue pair again, and waits for the answer until `deadline`.
    ///
    /// `None`: the peer is gone, or has not answered in time.
    pub(super) fn ask_to_remake(&self, attempt: u64, ours: Address, deadline: Instant) -> Option<Answer> {
        let answer = self.ask(&Frame { address: ours, ..Frame::new(REMAKE, attempt) }, deadline)?;
        Some(if answer.is_done() { Answer::Remade(answer.address, answer.word.get()) } else { Answer::Refused })
    }

    /// Asks the peer for the key of an extent of its region; `Some(None)`: it cannot register it.
    ///
    /// `None`: the peer is gone, or has not answered in time.
    pub(super) fn ask_for_key(&self, extent: usize, deadline: Instant) -> Option<Option<u32>> {
        let answer = self.ask(&Frame::new(KEY, extent as u64), deadline)?;
        Some(answer.is_done().then_some(answer.word.get() as u32))
    }

    /// Tells the peer that this half of the link works, and waits until it says the same of its own; whether it does by `deadline`.
    pub(super) fn agree(&self, deadline: Instant) -> bool {
        let told = self.send(&Frame::new(VERIFIED, 0)).is_ok();
        told && self.wait_for(deadline, |heard| heard.verified.then_some(())).is_some()
    }

    /// Waits until the peer is gone or `deadline` has passed; whether it is gone.
    pub(super) fn gone_by(&self, deadline: Instant) -> bool {
        let mut fds = [PollFd::new(&self.stream, PollFlags::RDHUP)];
        self.is_gone() || poll::wait(&mut fds, Some(deadline)).is_ok_and(|count| count > 0)
    }

    /// Ends the connection: the peer sees it, and so does our own helper thread.
    pub(super) fn close(&self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}
