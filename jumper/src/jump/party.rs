//! A jump of several threads: what it says beside that of one, and how they go on.

use super::messages::{JumpHeader, Party};
use super::{listen_for, now_ns};
use crate::RunError;
use crate::executor::{Arrival, Executor, Trap};
use crate::threads::{BrokenWait, Hosted, context, spawn};

impl Party {
    /// None if the program has one thread.
    ///
    /// # Errors
    /// The bytes make no sense.
    pub(super) fn decode(bytes: &[u8]) -> Result<Option<Self>, postcard::Error> {
        if bytes.is_empty() { Ok(None) } else { postcard::from_bytes(bytes).map(Some) }
    }
}

impl Executor {
    /// Appends what is said of the other threads, if there are any. All of them stand, or sleep at home.
    pub(super) fn pack_party(&mut self, thread: &Hosted, outbox: &mut Vec<u8>) -> Result<(), RunError> {
        let home = self.at_home();
        let companions = self.crew.leave(home);
        if self.threads == 1 {
            return Ok(());
        }
        if home {
            self.realtime_ahead = realtime_ns() - now_ns();
        }
        let party = Party {
            threads: self.threads,
            realtime_ahead: self.realtime_ahead,
            broken_wait: (thread.broken_wait.until, thread.broken_wait.at),
            held: self.pager.held_at_home(),
            companions,
        };
        *outbox = postcard::to_extend(&party, std::mem::take(outbox))
            .map_err(|_| RunError::Internal("the threads of a jump could not be encoded"))?;
        Ok(())
    }

    /// The program that arrives has one thread.
    pub(super) fn alone(&mut self, number: u32, trap: &mut Trap<'_>) {
        if !self.at_home() {
            self.threads = 1;
            self.pager.several_threads = false;
            self.pager.hold(Vec::new());
            trap.thread.number = number;
        }
    }

    /// The program that arrives has several threads: each goes on here, the first in this trap if this is a peer.
    pub(super) fn arrive_together(
        &mut self,
        header: &JumpHeader,
        registers: &[u8],
        party: Party,
        trap: &mut Trap<'_>,
    ) -> Result<(), RunError> {
        let (until, at) = party.broken_wait;
        let first = context::of_parts(header.fs.get(), header.gs.get(), BrokenWait { until, at }, registers);
        let mut all = vec![(header.thread.get(), first)];
        all.extend(party.companions);
        if !self.at_home() {
            self.threads = party.threads;
            self.pager.several_threads = true;
            self.pager.hold(party.held);
            self.realtime_ahead = party.realtime_ahead;
            trap.thread.number = header.thread.get();
            self.crew.takes(trap.thread.id, trap.thread.number);
        }
        for companion in all {
            if companion.0 == trap.thread.number {
                context::unpack(&companion.1, &mut trap.frame, trap.app_fs, trap.thread)?;
                trap.thread.arrival = Arrival::default();
            } else if let Err((number, context)) = self.crew.seat(self.pager.me, companion) {
                self.host_another(number, &context, trap)?;
            }
        }
        Ok(())
    }

    /// On a peer: more threads come than ever came before.
    fn host_another(&mut self, number: u32, context: &[u8], trap: &Trap<'_>) -> Result<(), RunError> {
        if self.at_home() {
            return Err(RunError::Internal("a thread came home that the program does not have"));
        }
        let (id, orders) = spawn(trap.thread.house, context::start(number, context)?).map_err(RunError::Thread)?;
        self.crew.add(id, Some(number), orders);
        listen_for(id);
        Ok(())
    }
}

fn realtime_ns() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}
