//! The program's processes: execve, vfork and posix_spawn, fork.
//!
//! Every process of the program is hosted by a process of its own. One that executes another program becomes a fresh `eos-rdma`
//! ([`follow`]), which joins peers of its own when it needs them.

mod exec;
pub mod follow;
mod fork;
mod strings;
mod title;
mod vfork;

pub use exec::Ready;
pub use title::Title;
pub(crate) use vfork::vfork;
