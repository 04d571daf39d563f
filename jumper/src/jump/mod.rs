//! Jump: execution leaves this node in the middle of a trap and goes on in a trap of another.
//!
//! Inside a trap the program's whole state lies in the signal frame. `depart` sends it as one message and parks;
//! the parked thread on the other side puts it into a frame of its own and returns from its handler.

mod clock;
mod depart;
mod deputy;
pub mod messages;
mod park;
mod party;
pub mod recall;
mod sleeper;

pub use clock::{compare_clocks, now_ns};
pub use recall::listen_for;
pub(crate) use sleeper::Sleeper;

/// The signal that a worker raises for itself once, to have a frame to return from.
pub const PARK: libc::c_int = libc::SIGUSR1;
