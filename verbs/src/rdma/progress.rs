//! What has become of the work requests: completions are taken, polled for or slept for.

use std::time::{Duration, Instant};

use ibverbs_sys::ibv_wc_status as status;
use rustix::event::{PollFd, PollFlags};

use super::active::Active;
use super::completion::{BATCH, Completion};
use crate::error::VerbsError;
use crate::poll;

/// How often a sleeper looks whether the device still works.
const TICK: Duration = Duration::from_secs(1);

impl Active {
    /// Takes completions that are there, and heals the queue pair when one tells of an error. Whether there were any.
    ///
    /// # Errors
    /// `Disconnected`, `Protocol`, `Rdma`.
    pub(super) fn progress(&mut self) -> Result<bool, VerbsError> {
        let stashed = self.take_stash();
        let mut batch = [Completion::NONE; BATCH];
        let count = self.queue.poll(&mut batch);
        match stashed.or_else(|| self.note(&batch[..count])) {
            None => Ok(count > 0),
            Some(status) => self.heal(status).map(|()| true),
        }
    }

    fn take_stash(&mut self) -> Option<status::Type> {
        if self.stash.is_empty() {
            return None;
        }
        let stash = std::mem::take(&mut self.stash);
        let error = self.note(&stash);
        self.stash = stash;
        self.stash.clear();
        error
    }

    /// Enters completions into the books; returns the first error, which tells the cause. The later ones only follow from it.
    fn note(&mut self, completions: &[Completion]) -> Option<status::Type> {
        for completion in completions {
            self.work.completions += 1;
            if completion.id as u16 != self.generation {
                continue;
            }
            if !completion.succeeded() {
                return Some(completion.status);
            }
            self.log.retire_through(completion.id >> 16);
            self.failing_since = None;
        }
        None
    }

    /// After the queue pair is destroyed: what was done before it broke is entered, the rest forgotten.
    pub(super) fn note_rest(&mut self) {
        let mut batch = [Completion::NONE; BATCH];
        loop {
            let count = self.queue.poll(&mut batch);
            let done = batch[..count].iter().filter(|completion| completion.succeeded());
            let mut done = done.filter(|completion| completion.id as u16 == self.generation);
            if let Some(last) = done.next_back() {
                self.log.retire_through(last.id >> 16);
            }
            if count == 0 {
                return;
            }
        }
    }

    /// Asks for a wake-up at the next completion of work that is under way; `true`: some are there already.
    pub(super) fn arm(&mut self) -> bool {
        if self.log.is_empty() {
            return false;
        }
        self.queue.request_notification();
        let mut batch = [Completion::NONE; BATCH];
        if self.stash.is_empty() {
            let count = self.queue.poll(&mut batch);
            self.stash.extend_from_slice(&batch[..count]);
        }
        !self.stash.is_empty()
    }

    /// Sleeps until a queue that was armed has something, or the peer is gone (`false`), or a moment has passed.
    ///
    /// # Errors
    /// `Io`, `Rdma` when the device has failed.
    pub(super) fn sleep(&mut self) -> Result<bool, VerbsError> {
        self.work.sleeps += 1;
        let mut fds = [
            PollFd::from_borrowed_fd(self.channel.fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.control.fd(), PollFlags::RDHUP),
        ];
        poll::wait(&mut fds, Some(Instant::now() + TICK))
            .map_err(|errno| VerbsError::link(&self.peer, "waiting for a completion", errno.into()))?;
        let here = fds[1].revents().is_empty();
        self.channel.drain();
        self.check_device()?;
        Ok(here)
    }
}
