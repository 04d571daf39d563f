//! Links over RDMA: InfiniBand, RoCE and soft-RoCE (rxe), through libibverbs, which is loaded when first needed.
//!
//! Each direction of a link is a reliable-connected (RC) queue pair of its own. Its *active* end posts READs, WRITEs and SENDs;
//! its *passive* end only has receive buffers. So whatever breaks a queue pair, the end that has work on it heals it: it asks
//! over the control connection, the TCP stream that was authenticated, for a fresh one at the other end, and posts again what was
//! under way. The region is registered piece by piece, as peers want it. docs/transports.md tells the path of a page and of a jump
//! step by step.
//!
//! Nothing was measured on hardware yet; soft-RoCE in an emulated machine shows behaviour only.

mod active;
mod completion;
mod connect;
mod context;
mod control;
mod devices;
mod domain;
mod error;
mod frame;
mod inbox;
mod library;
mod log;
mod loss;
mod memory;
mod odp;
mod path;
mod posting;
mod progress;
mod queue_pair;
mod rc;
mod recover;
mod registration;
mod remote;
mod sending;
mod servant;
mod waiter;

pub(crate) use connect::connect;
pub use devices::{Device, Gid, GidKind, Limits, LinkLayer, OnDemandPaging, Port, PortState, devices};
pub use error::RdmaError;
pub use path::{PortChoice, usable_at, usable_for};
pub use queue_pair::RdmaQueuePair;

#[cfg(test)]
mod tests;
