//! The wire of eos-rdma: regions, queue pairs, one-sided read and write, messages.
//!
//! Every pair of nodes is joined by one [`QueuePair`]. It reads and writes the *peer's* [`Region`] without asking
//! the peer's main thread, and carries messages to it. Nothing here knows what the bytes mean.
//!
//! | transport | one-sided by | page read, p50 on the development VM |
//! |---|---|---|
//! | [`tcp`] | a responder thread at the peer | 15 us on one CPU, 10 us on two |
//! | [`shm`] | the peer's memory mapped here | less than 0.1 us |
//! | [`rdma`] | READ and WRITE of RC queue pairs | no RDMA hardware there |
//!
//! Links are made by [`connect_pair`] from streams that [`session`] has authenticated.

pub mod connect;
pub mod error;
pub mod mailbox;
pub mod names;
pub mod packing;
pub mod queue_pair;
pub mod rdma;
pub mod region;
pub mod session;
pub mod shm;
pub mod tcp;
pub mod tuning;

mod descriptors;
mod helper;
mod message;
mod poll;

pub use connect::{Wires, connect_pair, connect_pair_with};
pub use error::VerbsError;
pub use mailbox::Mailbox;
pub use names::{ChannelKind, MAX_NODES, NodeId, PeerName, TransportChoice, TransportKind};
pub use packing::{PackRule, Way};
pub use queue_pair::{Counters, MESSAGE_MAX, QueuePair, TRANSFER_MAX, WorkRequests};
pub use region::Region;
pub use tuning::Tuning;

/// Bytes in a page, and in a slot of a region.
pub const PAGE: usize = 4096;
