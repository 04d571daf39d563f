//! The helper thread of a link, which serves the peer's requests on the control connection and hands the answers to our own over.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags};
use zerocopy::little_endian::U64;
use zerocopy::{FromZeros, IntoBytes};

use super::control::Control;
use super::frame::{Frame, KEY, REMAKE, VERIFIED};
use super::inbox::Inbox;
use super::registration::Registration;
use crate::error::VerbsError;
use crate::helper;
use crate::names::NodeId;
use crate::poll;

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
        registration: &Arc<Registration>,
    ) -> Result<Servant, VerbsError> {
        let (shared, inbox, registration) = (Arc::clone(control), Arc::clone(inbox), Arc::clone(registration));
        let thread = helper::spawn(format!("eos-rdma-{}", peer.0), move || {
            // whatever ends the service: there is nobody to talk to any more
            let _ = serve(&shared, &inbox, &registration);
            shared.set_gone();
        })?;
        Ok(Servant { control: Arc::clone(control), thread: Some(thread) })
    }
}

impl Drop for Servant {
    fn drop(&mut self) {
        self.control.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Serves until the connection ends or says something that makes no sense.
fn serve(control: &Control, inbox: &Mutex<Inbox>, registration: &Registration) -> io::Result<()> {
    let domain = lock(inbox).domain();
    let mut stream = control.stream();
    loop {
        let mut fds = [PollFd::new(stream, PollFlags::IN), PollFd::from_borrowed_fd(domain.events_fd(), PollFlags::IN)];
        poll::wait(&mut fds, None)?;
        domain.take_events();
        if fds[0].revents().is_empty() {
            continue;
        }
        let mut frame = Frame::new_zeroed();
        stream.read_exact(frame.as_mut_bytes())?;
        match frame.kind {
            REMAKE => control.send(&remake(&mut lock(inbox), &frame))?,
            KEY => control.send(&key(registration, &frame))?,
            VERIFIED => control.hear_verified(),
            _ if frame.is_answer() => control.hear_answer(frame),
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

fn remake(inbox: &mut Inbox, request: &Frame) -> Frame {
    match inbox.remake(&request.address) {
        Ok(address) => Frame { word: U64::new(inbox.received()), address, ..request.done() },
        Err(_) => request.refused(),
    }
}

fn key(registration: &Registration, request: &Frame) -> Frame {
    let extent = usize::try_from(request.number.get()).unwrap_or(usize::MAX);
    match registration.key(extent) {
        Ok(key) => Frame { word: U64::new(key.into()), ..request.done() },
        Err(_) => request.refused(),
    }
}

/// The lock of the inbox. A thread that panicked while holding it has ended the process.
pub(super) fn lock(inbox: &Mutex<Inbox>) -> MutexGuard<'_, Inbox> {
    inbox.lock().unwrap_or_else(PoisonError::into_inner)
}
