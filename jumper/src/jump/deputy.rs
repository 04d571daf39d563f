//! Forwarded system calls: shipped from the node that executes, carried out at home by the deputy with the program's
//! real process, descriptors and credentials.

use std::sync::mpsc::sync_channel;

use eos_verbs::NodeId;
use zerocopy::{FromBytes, IntoBytes};

use super::messages::{self, WireReadings};
use crate::RunError;
use crate::clock_page::{self, Readings};
use crate::executor::{Done, Executor};
use crate::forward::{self, ApplyError, Patience, Refusal, SLEEPS};
use crate::gateway::Call;
use crate::threads::Hosted;
use crate::threads::crew::Errand;
use crate::traps::interruptible::RESTART;

/// Bytes before the call in a message: tag and caller.
const CALL_HEAD: usize = 5;

const FAULT: i64 = -(libc::EFAULT as i64);

fn nonsense() -> RunError {
    RunError::Internal("home's answer to a system call makes no sense; all nodes must run the same version")
}

impl Executor {
    /// Has home carry a call out, in as many rounds as its buffers need. The program goes home itself if the call cannot
    /// be shipped.
    pub(crate) fn forward_call(&mut self, call: &'static Call, args: [u64; 6], caller: u32) -> Result<Done, RunError> {
        self.look_if_due()?;
        let mut done = 0;
        loop {
            let mut request = std::mem::take(&mut self.outbox);
            request.clear();
            request.push(messages::CALL);
            request.extend_from_slice(&caller.to_le_bytes());
            let encoded = self.with_guest(|guest| forward::encode_rest(call, &args, done, guest, &mut request))?;
            match encoded {
                // A bad address goes home too: there the kernel itself says what comes first, that or another error.
                Err(Refusal::Home | Refusal::Fault(_)) if done == 0 => return Ok(Done::GoHome),
                Err(_) => return Ok(Done::Result(forward::add(done, FAULT).1)),
                Ok(()) => {}
            }
            let (result, more) = self.round(call, args, done, &request)?;
            self.outbox = request;
            let (moved, answer) = forward::add(done, result);
            done = moved;
            if answer == SLEEPS {
                return Ok(Done::Sleeps(self.outbox[CALL_HEAD..].to_vec()));
            }
            if answer == RESTART || answer == -i64::from(libc::EINTR) {
                // A signal waits at home, where its handler runs first.
                return Ok(Done::Interrupted(answer));
            }
            if !more {
                return Ok(Done::Result(answer));
            }
        }
    }

    /// One request and its answer: the result, and whether there is more to do.
    fn round(
        &mut self,
        call: &'static Call,
        args: [u64; 6],
        done: u64,
        request: &[u8],
    ) -> Result<(i64, bool), RunError> {
        self.tally.forwarded += 1;
        self.send(NodeId::HOME, &[request])?;
        let mut reply = std::mem::take(&mut self.message);
        reply.clear();
        let message = self.pager.wait_reply(NodeId::HOME, messages::CALL_REPLY)?;
        let (told, answer) = WireReadings::read_from_prefix(&message[1..]).map_err(|_| nonsense())?;
        // What the call has waited for is in the past here too.
        clock_page::heard_from_home(&told.into());
        reply.extend_from_slice(answer);
        let applied = self.with_guest(|guest| forward::apply_rest(&reply, call, &args, done, guest))?;
        let outcome = match applied {
            Ok(result) => Ok((result, forward::must_continue(&reply))),
            Err(ApplyError::Fault(_)) => Ok((FAULT, false)),
            Err(ApplyError::Reply(_)) => Err(nonsense()),
        };
        self.message = reply;
        outcome
    }

    /// The deputy's side.
    pub(super) fn serve_call(&mut self, from: NodeId, request: &[u8], thread: &Hosted) -> Result<(), RunError> {
        const UNREADABLE: &str = "a forwarded system call could not be read; all nodes must run the same version";
        let (caller, request) = request.split_first_chunk::<4>().ok_or(RunError::Internal(UNREADABLE))?;
        let caller = u32::from_le_bytes(*caller);
        let mut reply = std::mem::take(&mut self.outbox);
        reply.clear();
        // The program's memory is not the deputy's: it is read and written where its pages are pulled to.
        let own_memory = forward::moves_bytes_of(request).is_some_and(|fd| self.is_own_memory(fd));
        let own_folder = || forward::lists(request).is_some_and(|(number, fd)| self.own_folder(number, fd).is_some());
        if own_memory || own_folder() {
            forward::refuse(&mut reply);
        } else if caller == thread.number {
            let patience = if self.threads > 1 { Patience::Tries } else { Patience::Waits };
            forward::execute(request, &self.own_fds, &mut self.staging, &thread.pending, patience, &mut reply)
                .map_err(|_| RunError::Internal(UNREADABLE))?;
            if forward::would_sleep(&reply) {
                // This thread serves all others.
                reply.clear();
                forward::refuse(&mut reply);
            }
        } else {
            let answer = self.ask_deputy(caller, request);
            reply.extend_from_slice(&answer.ok_or(RunError::Internal(UNREADABLE))?);
        }
        let told = WireReadings::from(Readings::of_kernel());
        self.send(from, &[&[messages::CALL_REPLY], told.as_bytes(), &reply])?;
        self.outbox = reply;
        Ok(())
    }

    /// Has the thread that the caller is at home carry the call out; it answers at once.
    fn ask_deputy(&self, caller: u32, request: &[u8]) -> Option<Vec<u8>> {
        let (answer, answered) = sync_channel(1);
        let errand = Errand { request: request.to_vec(), own_fds: self.own_fds.clone(), answer };
        if !self.crew.send_errand(caller, errand) {
            return None;
        }
        answered.recv().ok()?.ok()
    }
}
