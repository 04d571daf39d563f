//! A thread goes home alone, to sleep in a system call, while the others go on here.
//!
//! Home's hosting thread of that thread makes the call as a deputy does, on buffers of its own: no page has to come along. From then on it is
//! a thread that stays at home in a call. When the call returns it calls execution home, as every such thread does, and takes the
//! answer to the program's memory there.

use eos_verbs::NodeId;

use super::messages;
use crate::RunError;
use crate::executor::{Executor, Trap};
use crate::forward::{self, ApplyError, Patience, Staging};
use crate::gateway::lookup;
use crate::own_fds::OwnFds;
use crate::threads::context;
use crate::traps::interruptible::RESTART;

const BROKEN: RunError =
    RunError::Internal("a thread that went home makes no sense; all nodes must run the same version");

/// A thread of the program that has come home alone.
#[derive(Debug, Default)]
pub(crate) struct Sleeper {
    /// Its registers, at its system call.
    context: Vec<u8>,
    /// The call, as [`forward::execute`] takes it.
    request: Vec<u8>,
    own_fds: OwnFds,
}

impl Executor {
    /// On a peer: the thread with this number at home goes there. It must not go on here.
    ///
    /// # Errors
    /// The wire failed.
    pub(crate) fn send_sleeper(&mut self, number: u32, context: &[u8], request: &[u8]) -> Result<(), RunError> {
        let length = u32::try_from(context.len()).map_err(|_| BROKEN)?;
        let head = [number.to_le_bytes(), length.to_le_bytes()];
        self.send(NodeId::HOME, &[&[messages::SLEEPER], head.as_flattened(), context, request])?;
        // A jump by way of another node must not come home before it.
        self.pager.wait_reply(NodeId::HOME, messages::SLEEPER_REPLY)?;
        self.tally.sleepers += 1;
        Ok(())
    }

    /// At home: its hosting thread makes the call.
    pub(super) fn take_sleeper(&mut self, from: NodeId, message: &[u8]) -> Result<(), RunError> {
        let word = |bytes: &[u8; 4]| u32::from_le_bytes(*bytes);
        let (number, rest) = message.split_first_chunk::<4>().ok_or(BROKEN)?;
        let (length, rest) = rest.split_first_chunk::<4>().ok_or(BROKEN)?;
        let (context, request) = rest.split_at_checked(word(length) as usize).ok_or(BROKEN)?;
        let sleeper = Sleeper { context: context.to_vec(), request: request.to_vec(), own_fds: self.own_fds.clone() };
        if !self.crew.sends_to_sleep(word(number), sleeper) {
            return Err(BROKEN);
        }
        self.send(from, &[&[messages::SLEEPER_REPLY]])
    }

    /// The call has returned and execution is home: the thread goes on behind it.
    pub(crate) fn wake_sleeper(
        &mut self,
        sleeper: &Sleeper,
        reply: &[u8],
        trap: &mut Trap<'_>,
    ) -> Result<(), RunError> {
        context::unpack(&sleeper.context, &mut trap.frame, trap.app_fs, trap.thread)?;
        let (number, args) = (trap.frame.get(libc::REG_RAX), trap.frame.arguments());
        let call = lookup(number).ok_or(BROKEN)?;
        let result = match self.with_guest(|guest| forward::apply(reply, call, &args, guest))? {
            Ok(result) => result,
            Err(ApplyError::Fault(_)) => -i64::from(libc::EFAULT),
            Err(ApplyError::Reply(_)) => return Err(BROKEN),
        };
        match result {
            // A signal's handler first, then the call anew.
            RESTART => trap.frame.rewind_syscall(number),
            result => trap.frame.set(libc::REG_RAX, result.cast_unsigned()),
        }
        Ok(())
    }
}

impl Sleeper {
    /// Makes the call, without the lock of the house. The answer, or none if the request makes no sense.
    pub(crate) fn sleep(&self, trap: &Trap<'_>) -> Option<Vec<u8>> {
        let mut reply = Vec::new();
        let (staging, signals) = (&mut Staging::new(), &trap.thread.pending);
        forward::execute(&self.request, &self.own_fds, staging, signals, Patience::Waits, &mut reply).ok()?;
        Some(reply)
    }
}
