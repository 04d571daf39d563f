//! What the ends tell each other once they trust each other.

use serde::{Deserialize, Serialize};

use super::noise::{Role, Sealed, TimedStream, Wire, shake_hands};
use super::{ClusterKey, SessionError};
use crate::names::{ChannelKind, NodeId};

/// Version of the session protocol; the last of the eight plain bytes that each end sends first.
pub const VERSION: u8 = 1;

/// What the initiator wants.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// Version of the program's own protocol above this crate.
    pub version: u16,
    /// The run this belongs to.
    pub run_id: [u8; 16],
    /// The node that calls.
    pub from: NodeId,
    /// What for.
    pub purpose: Purpose,
}

/// What a connection is for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Purpose {
    /// Start a worker for a run; the payload says all about it.
    Run {
        /// Opaque here.
        payload: Vec<u8>,
    },
    /// One channel of the link between two nodes of a run that has begun.
    Channel {
        /// Which.
        kind: ChannelKind,
    },
    /// Only tell who and what you are.
    Probe,
    /// An operator asks or tells something.
    Order {
        /// Opaque here.
        payload: Vec<u8>,
    },
}

/// The answer to a [`Hello`].
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Welcome {
    /// Boot id of the host: equal ids mean the same host, where shm is possible.
    pub boot_id: String,
    /// Name of the abstract unix socket where this host takes shm links, if it does.
    pub unix_name: Option<String>,
    /// Opaque here.
    pub payload: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
enum Reply {
    Accepted(Welcome),
    Rejected(String),
}

/// Authenticates to the other end and says hello. Takes at most 5 s. Afterwards the stream is raw and without time limit.
///
/// # Errors
/// `NotEos`, `Version`, `WrongKey`, `Refused`, `TimedOut`, `Closed`, `TooLong`, `Protocol`, `Io`.
pub fn initiate<S: TimedStream>(stream: &mut S, key: &ClusterKey, hello: &Hello) -> Result<Welcome, SessionError> {
    let mut wire = Wire::new(stream);
    let mut sealed = shake_hands(&mut wire, key, Role::Initiator, VERSION)?;
    sealed.send(&mut wire, &encode(hello)?)?;
    let reply = sealed.receive(&mut wire)?;
    match decode(&reply)? {
        Reply::Accepted(welcome) => wire.release().map(|()| welcome),
        Reply::Rejected(reason) => Err(SessionError::Refused { reason }),
    }
}

/// Authenticates whoever calls and hears its hello (5 s for it). The caller then decides: [`PendingReply::accept`] or
/// [`PendingReply::reject`]; the initiator waits 5 s in all.
///
/// # Errors
/// As [`initiate`].
pub fn respond<'a, S: TimedStream>(
    stream: &'a mut S,
    key: &ClusterKey,
) -> Result<(Hello, PendingReply<'a, S>), SessionError> {
    let mut wire = Wire::new(stream);
    let mut sealed = shake_hands(&mut wire, key, Role::Responder, VERSION)?;
    let hello = decode(&sealed.receive(&mut wire)?)?;
    Ok((hello, PendingReply { wire, sealed }))
}

/// An initiator that waits for an answer.
#[must_use = "the initiator waits for an answer"]
pub struct PendingReply<'a, S: TimedStream> {
    wire: Wire<'a, S>,
    sealed: Sealed,
}

impl<S: TimedStream> PendingReply<'_, S> {
    /// Lets the initiator in. Afterwards the stream is raw and without time limit.
    ///
    /// # Errors
    /// `TimedOut`, `Closed`, `TooLong`, `Io`.
    pub fn accept(self, welcome: Welcome) -> Result<(), SessionError> {
        self.answer(&Reply::Accepted(welcome))
    }

    /// Sends the initiator away; `reason` is shown to the person, so it says what to do.
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    pub fn reject(self, reason: String) -> Result<(), SessionError> {
        self.answer(&Reply::Rejected(reason))
    }

    fn answer(mut self, reply: &Reply) -> Result<(), SessionError> {
        self.wire.renew();
        self.sealed.send(&mut self.wire, &encode(reply)?)?;
        self.wire.release()
    }
}

fn encode(value: &impl Serialize) -> Result<Vec<u8>, SessionError> {
    postcard::to_stdvec(value).map_err(|_| SessionError::Protocol { what: "a value could not be encoded" })
}

fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, SessionError> {
    postcard::from_bytes(bytes).map_err(|_| SessionError::Protocol { what: "it sent a value of another shape" })
}
