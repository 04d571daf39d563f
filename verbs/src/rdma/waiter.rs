//! How a call of an rdma link waits: polls, then yields between polls, then sleeps on the completion channel.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::active::Active;
use super::inbox::Inbox;
use super::loss::Loss;
use super::servant::lock;
use crate::error::VerbsError;
use crate::poll::Spinner;

/// How long it polls without giving the CPU away: a READ of a page takes 2 to 5 us with hardware, a yield is a system call.
const BUSY: Duration = Duration::from_micros(20);

/// What wakes a waiting call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// Completions of work that this end posted.
    Completions,
    /// Those, and credits from the peer.
    Credits,
}

pub(super) struct Waiter {
    pub(super) spinner: Spinner,
    pub(super) busy: Duration,
    pub(super) inbox: Arc<Mutex<Inbox>>,
}

impl Waiter {
    pub(super) fn new(limit: Duration, inbox: &Arc<Mutex<Inbox>>) -> Waiter {
        Waiter { spinner: Spinner::new(limit), busy: limit.min(BUSY), inbox: Arc::clone(inbox) }
    }

    /// Waits until `done`. Takes no lock and makes no system call when that is within 20 us, unless it waits for credits.
    ///
    /// # Errors
    /// `Disconnected`, `Protocol`, `Io`, `Rdma`.
    pub(super) fn until(
        &self,
        active: &mut Active,
        what: For,
        mut done: impl FnMut(&mut Active) -> bool,
    ) -> Result<(), VerbsError> {
        let mut look = |active: &mut Active| {
            active.progress()?;
            if what == For::Credits {
                lock(&self.inbox).look();
            }
            active.alive().map(|()| done(active))
        };
        loop {
            if look(active)? {
                return Ok(());
            }
            let start = Instant::now();
            while start.elapsed() < self.busy {
                std::hint::spin_loop();
                if look(active)? {
                    return Ok(());
                }
            }
            let mut patience = self.spinner.begin(None);
            while patience.try_again() {
                active.work.yields += 1;
                if look(active)? {
                    return Ok(());
                }
            }
            if self.arm(active, what) || look(active)? {
                continue;
            }
            if !active.sleep()? && !look(active)? {
                return Err(active.lose(Loss::Gone));
            }
        }
    }

    /// The next event wakes a sleeper; `true`: do not sleep.
    fn arm(&self, active: &mut Active, what: For) -> bool {
        if what == For::Credits {
            lock(&self.inbox).queue().request_notification();
        }
        active.arm()
    }
}
