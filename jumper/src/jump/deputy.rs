//! Forwarded system calls: shipped from the node that executes, carried out at home by the deputy with the program's
//! real process, descriptors and credentials.

use eos_verbs::NodeId;

use super::messages;
use crate::RunError;
use crate::executor::{Done, Executor};
use crate::forward::{self, ApplyError, Refusal};
use crate::gateway::Call;

const FAULT: i64 = -(libc::EFAULT as i64);

impl Executor {
    /// Has home carry a call out, in as many rounds as its buffers need. The program goes home itself if the call cannot
    /// be shipped.
    pub(crate) fn forward_call(&mut self, call: &'static Call, args: [u64; 6]) -> Result<Done, RunError> {
        let mut done = 0;
        loop {
            let mut request = std::mem::take(&mut self.outbox);
            request.clear();
            request.push(messages::CALL);
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
        reply.extend_from_slice(&self.pager.wait_reply(NodeId::HOME, messages::CALL_REPLY)?[1..]);
        let applied = self.with_guest(|guest| forward::apply_rest(&reply, call, &args, done, guest))?;
        let outcome = match applied {
            Ok(result) => Ok((result, forward::must_continue(&reply))),
            Err(ApplyError::Fault(_)) => Ok((FAULT, false)),
            Err(ApplyError::Reply(_)) => Err(RunError::Internal(
                "home's answer to a system call makes no sense; all nodes must run the same version",
            )),
        };
        self.message = reply;
        outcome
    }

    /// The deputy's side.
    pub(super) fn serve_call(&mut self, from: NodeId, request: &[u8]) -> Result<(), RunError> {
        let mut reply = std::mem::take(&mut self.outbox);
        reply.clear();
        reply.push(messages::CALL_REPLY);
        forward::execute(request, &self.own_fds, &mut self.staging, &mut reply).map_err(|_| {
            RunError::Internal("a forwarded system call could not be read; all nodes must run the same version")
        })?;
        self.send(from, &[&reply])?;
        self.outbox = reply;
        Ok(())
    }
}
