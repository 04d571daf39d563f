//! Waiting for a message from any link.

use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use crate::error::VerbsError;
use crate::poll::{self, Spinner};
use crate::queue_pair::QueuePair;

/// How long [`Mailbox::wait`] looks before it sleeps; see the measurements in [`crate::tcp`].
const SPIN: Duration = Duration::from_micros(200);

/// The place where a parked node waits for messages. Spins a bounded time (yielding between tries), then sleeps in poll(2).
/// Where all links lead to the one CPU that this end has too it sleeps before it looks: nothing can come before the others
/// get that CPU, and a yield does not always give it to them.
#[derive(Debug)]
pub struct Mailbox {
    spinner: Spinner,
}

impl Default for Mailbox {
    fn default() -> Self {
        Mailbox::new()
    }
}

impl Mailbox {
    /// A mailbox with the measured spin limit.
    pub fn new() -> Self {
        Mailbox::with_spin(SPIN)
    }

    /// A mailbox with another spin limit, for measurements.
    pub fn with_spin(spin: Duration) -> Self {
        Mailbox { spinner: Spinner::new(spin) }
    }

    /// Waits for the next message from any link: `Some(index of the link)`, and `into` holds the message; `None` when
    /// `limit` has passed (a limit of zero looks once). Links that are `None` are skipped.
    ///
    /// # Errors
    /// `Disconnected` when a peer is gone and all its messages were taken (the error names it: drop that link before the
    /// next call); `Io` and `Protocol` from a link.
    pub fn wait(
        &self,
        links: &mut [Option<Box<dyn QueuePair>>],
        into: &mut Vec<u8>,
        limit: Option<Duration>,
    ) -> Result<Option<usize>, VerbsError> {
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        if limit.is_none() && links.iter().flatten().all(|link| link.shares_cpu()) {
            return wait_asleep(links, into).map(Some);
        }
        loop {
            let mut patience = self.spinner.begin(limit);
            loop {
                if let Some(index) = look(links, into)? {
                    return Ok(Some(index));
                }
                if !patience.try_again() {
                    break;
                }
            }
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Ok(None);
            }
            if let Some(index) = sleep(links, into, deadline)? {
                return Ok(Some(index));
            }
        }
    }
}

/// Sleeps until there is a message.
fn wait_asleep(links: &mut [Option<Box<dyn QueuePair>>], into: &mut Vec<u8>) -> Result<usize, VerbsError> {
    loop {
        let taken = sleep(links, into, None)?;
        if let Some(index) = taken.map_or_else(|| look(links, into), |index| Ok(Some(index)))? {
            return Ok(index);
        }
    }
}

fn look(links: &mut [Option<Box<dyn QueuePair>>], into: &mut Vec<u8>) -> Result<Option<usize>, VerbsError> {
    for (index, link) in links.iter_mut().enumerate() {
        if let Some(link) = link
            && link.try_recv(into)?
        {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

/// Sleeps until something happens or the deadline. A link whose peer is gone gives its last messages, then the error.
fn sleep(
    links: &mut [Option<Box<dyn QueuePair>>],
    into: &mut Vec<u8>,
    deadline: Option<Instant>,
) -> Result<Option<usize>, VerbsError> {
    let mut gone = None;
    // every link is armed, also after the first that says not to sleep, so that each is disarmed once
    if !links.iter_mut().flatten().fold(false, |any, link| link.arm() | any) {
        gone = wait_for_event(links, deadline);
    }
    links.iter_mut().flatten().for_each(|link| link.disarm());
    let Some(gone) = gone.transpose()? else {
        return Ok(None);
    };
    let link = links[gone].as_mut().expect("only present links are polled");
    if link.try_recv(into)? {
        return Ok(Some(gone));
    }
    Err(VerbsError::Disconnected { peer: link.peer_name() })
}

/// The index of a link whose peer is gone, if there is one.
fn wait_for_event(
    links: &[Option<Box<dyn QueuePair>>],
    deadline: Option<Instant>,
) -> Option<Result<usize, VerbsError>> {
    let mut fds = Vec::with_capacity(2 * links.len());
    for link in links.iter().flatten() {
        fds.push(PollFd::from_borrowed_fd(link.fd(), PollFlags::IN));
        fds.push(PollFd::from_borrowed_fd(link.liveness_fd(), PollFlags::RDHUP));
    }
    if let Err(errno) = poll::wait(&mut fds, deadline) {
        return Some(Err(VerbsError::local("wait for messages")(errno)));
    }
    let present = links.iter().enumerate().filter(|(_, link)| link.is_some()).map(|(index, _)| index);
    present.zip(fds.chunks(2)).find(|(_, pair)| !pair[1].revents().is_empty()).map(|(index, _)| Ok(index))
}
