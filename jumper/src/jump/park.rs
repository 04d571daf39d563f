//! Parked: what a node does while the program executes on another.

use eos_verbs::NodeId;

use super::messages;
use crate::RunError;
use crate::executor::signals::kernel_mask;
use crate::executor::{Executor, Trap, change_mask};
use crate::threads::Hosted;

impl Executor {
    /// A worker's first trap: waits for the program to come for the first time.
    ///
    /// # Errors
    /// As [`Executor::await_execution`].
    pub(crate) fn park(&mut self, trap: &mut Trap<'_>) -> Result<(), RunError> {
        // From now on somebody's stray signal must not park the program a second time.
        crate::executor::signals::set_kernel_action(super::PARK, libc::SIG_IGN, 0);
        self.await_execution(trap)
    }

    /// Serves the other nodes until execution arrives here.
    ///
    /// # Errors
    /// A wire failed or a message made no sense; the run must end.
    pub(super) fn await_execution(&mut self, trap: &mut Trap<'_>) -> Result<(), RunError> {
        trap.thread.pending.clear_halt();
        let signals_come = self.at_home() && trap.thread.handled() != 0;
        if self.at_home() {
            // A handler calls execution home, and so does a peer that waits to join.
            trap.thread.house.recall.set_away(true);
        }
        if signals_come {
            change_mask(libc::SIG_SETMASK, kernel_mask(trap.thread.signals.mask));
        }
        let arrived = self.serve_until_execution_comes(trap);
        if signals_come {
            change_mask(libc::SIG_BLOCK, kernel_mask(trap.thread.handled()));
        }
        if self.at_home() {
            trap.thread.house.recall.set_away(false);
        }
        arrived
    }

    fn serve_until_execution_comes(&mut self, trap: &mut Trap<'_>) -> Result<(), RunError> {
        let mut message = std::mem::take(&mut self.message);
        loop {
            let pager = &mut self.pager;
            let index = pager.mailbox.wait(&mut pager.links, &mut message, None);
            let index = index.map_err(eos_pager::error::PagerError::from)?;
            let Some(from) = index.map(|index| NodeId(index as u8)) else {
                continue;
            };
            if message.first() == Some(&messages::JUMP) {
                let arrived = self.arrive(from, &message, trap);
                self.message = message;
                return arrived;
            }
            self.serve(from, &message, trap.thread)?;
        }
    }

    /// Answers one message.
    fn serve(&mut self, from: NodeId, message: &[u8], thread: &Hosted) -> Result<(), RunError> {
        if self.pager.serve(from, message)? {
            return Ok(());
        }
        match message.first() {
            Some(&messages::CALL) if self.at_home() => self.serve_call(from, &message[1..], thread),
            Some(&messages::SLEEPER) if self.at_home() => self.take_sleeper(from, &message[1..]),
            Some(&messages::NEWCOMER) if from == NodeId::HOME => self.meet_newcomer(&message[1..]),
            Some(&messages::SEATED) if from == NodeId::HOME => self.seat_newcomer(&message[1..]),
            Some(&messages::STATS) => {
                let counters = self.counters();
                let bytes =
                    postcard::to_stdvec(&counters).map_err(|_| RunError::Internal("counters could not be encoded"))?;
                self.send(from, &[&[messages::STATS_REPLY], &bytes])
            }
            Some(&messages::RECORD) if self.at_home() => {
                self.write_record(&message[1..]);
                Ok(())
            }
            Some(&messages::CLOCK) => self.serve_clock(from, message),
            Some(&messages::TROUBLE) => {
                let text = String::from_utf8_lossy(&message[1..]).into_owned();
                Err(RunError::Peer { peer: self.pager.nodes[from.0 as usize].name.clone(), text })
            }
            // SAFETY: ends a worker whose run is over; nothing is left to be done.
            Some(&messages::BYE) => unsafe { libc::_exit(0) },
            _ => Err(RunError::Internal("an unknown message arrived; all nodes must run the same version")),
        }
    }

    /// Sends a message to a joined node.
    pub(crate) fn send(&mut self, to: NodeId, parts: &[&[u8]]) -> Result<(), RunError> {
        let link = self.pager.links[to.0 as usize].as_mut().expect("only joined nodes are spoken to");
        Ok(link.send(parts).map_err(eos_pager::error::PagerError::from)?)
    }
}
