//! Healing: a broken queue pair is made again, and what was under way is posted again.
//!
//! The peer says which SEND it received last. All that was posted before it was done, and must not be done again: whoever got
//! the message may use those slots for something else by now. What was posted after it nobody knows of yet, so doing it twice
//! does no harm; a SEND that comes twice is told by its number.

use std::time::{Duration, Instant};

use super::active::Active;
use super::control::Answer;
use super::loss::Loss;
use crate::error::VerbsError;

/// How long nothing may succeed before the peer counts as gone.
const GIVE_UP: Duration = Duration::from_secs(10);
/// How long to wait between two attempts.
const PAUSE: Duration = Duration::from_millis(50);

impl Active {
    /// Makes the queue pair again and posts what was under way again.
    ///
    /// # Errors
    /// `Disconnected` when the peer is gone; `Rdma` when the device has failed, or the peer answers and still nothing has
    /// succeeded for 10 s.
    #[cold]
    pub(super) fn recover(&mut self) -> Result<(), VerbsError> {
        let deadline = *self.failing_since.get_or_insert_with(Instant::now) + GIVE_UP;
        loop {
            self.alive()?;
            self.port.domain.take_events();
            self.check_device()?;
            if self.control.is_gone() {
                return Err(self.lose(Loss::Gone));
            }
            if Instant::now() >= deadline {
                return Err(self.lose(if self.answered { Loss::Blocked } else { Loss::Gone }));
            }
            if self.attempt(deadline) {
                return Ok(());
            }
            self.control.gone_by(deadline.min(Instant::now() + PAUSE));
        }
    }

    /// One attempt; whether all is posted again.
    fn attempt(&mut self, deadline: Instant) -> bool {
        self.queue_pair = None;
        self.note_rest();
        self.generation = self.generation.wrapping_add(1);
        self.work.recoveries += 1;
        self.answered = false;
        // the port is down, or its address not back yet
        let Ok((port, ours, psn)) = self.make() else {
            return false;
        };
        let answer = self.control.ask_to_remake(self.work.recoveries, ours, deadline);
        self.answered = answer.is_some();
        let Some(Answer::Remade(theirs, received)) = answer else {
            return false;
        };
        if self.join(&theirs, port, psn).is_err() {
            return false;
        }
        self.log.retire_received(received);
        self.log.signal_last();
        self.log.indexes().all(|index| self.log.get(index).is_none_or(|entry| self.try_post(index, &entry)))
    }
}
