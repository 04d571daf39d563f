//! System calls executed at home for an app that runs on another node.
//!
//! The node that executes the app [`encode`]s a call with the bytes that the kernel would read; the deputy at home
//! [`execute`]s it on staged buffers and answers with the bytes that the kernel wrote; the first node [`apply`]s the answer to
//! the app's memory. The table of the [`gateway`](crate::gateway) tells both sides what those bytes are.
//!
//! One call of the app may take several rounds, since a read or write is shipped in pieces of at most [`PIECE_MAX`]:
//!
//! ```text
//! done = 0
//! loop: encode_rest(done) -> execute -> result = apply_rest(done)
//!       done, answer = add(done, result); if !must_continue(reply) break
//! ```

mod apply;
mod encode;
mod execute;
mod hasty;
mod pieces;
mod staging;
mod wire;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod round_trip_tests;

use thiserror::Error;

use crate::gateway::Fault;

pub use apply::{apply, apply_rest};
pub use encode::{encode, encode_rest};
pub use execute::{Patience, execute, lists, moves_bytes_of, refuse, would_sleep};
pub use pieces::add;
pub use staging::Staging;
pub use wire::must_continue;

/// Most bytes of one read- or write-like call that are shipped at once.
pub const PIECE_MAX: u64 = 1 << 20;
/// Most bytes in all buffers of any other call that is forwarded.
pub const BUFFERS_MAX: u64 = 16 << 20;

/// What a deputy answers that would have to sleep, and was told only to try; no kernel tells it a program (`-ERESTARTNOINTR`).
pub const SLEEPS: i64 = -513;

/// Why a call was not encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Refusal {
    /// The app passed a bad address: answer `EFAULT` (or what was done so far, if anything was).
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The call cannot be shipped: execution has to jump home and make it there.
    #[error("this call can only be made at home")]
    Home,
}

/// A request or reply that makes no sense. The nodes of a run have the same version and authenticated each other, so this is
/// a bug or a broken link, and the run cannot go on.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ForwardError {
    /// The message ends early, or has bytes left over.
    #[error(
        "a forwarded system call has {have} bytes where {need} are announced; check that all nodes run the same eos-rdma"
    )]
    Length {
        /// Bytes that the message's own header asks for.
        need: usize,
        /// Bytes that came.
        have: usize,
    },
    /// The segment list is none.
    #[error("a forwarded system call has a broken header; check that all nodes run the same eos-rdma")]
    Header,
    /// The home node does not execute this call for others.
    #[error(
        "a peer forwarded system call {number}, which only home may make; check that all nodes run the same eos-rdma"
    )]
    NotShipped {
        /// The call's number.
        number: u64,
    },
    /// The buffers are not those that the table names for these arguments.
    #[error("the buffers sent with {name} are not those of its arguments; check that all nodes run the same eos-rdma")]
    Buffers {
        /// The call's name.
        name: &'static str,
    },
}

/// Why a reply was not applied.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ApplyError {
    /// The app passed a bad address for the answer: `EFAULT`.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The reply makes no sense: the run cannot go on.
    #[error(transparent)]
    Reply(#[from] ForwardError),
}
