//! The machines of a run: who they are, how they are joined, and who notices when one is gone.
//!
//! | file | what |
//! |---|---|
//! | `hosts` | the file that names the peers |
//! | `stretch`, `local` | home's side: a worker on every peer, links to and between them |
//! | `serve`, `admit`, `workers` | the daemon on a peer: who may come in, one worker process for each run |
//! | `spawn`, `worker_entry` | how a worker process is started, and how it becomes a node |
//! | `dial`, `wires`, `messages` | calls to a daemon, the streams of a link, what is said |
//! | `choice` | which transport joins two nodes, and why |
//! | `lease` | memory that the daemon's workers share |
//! | `cpu` | which processor features a peer lacks |
//! | `watchdog` | notices that a process of the run is gone |
//! | `last_words` | what a worker says whose link with home has failed |

mod admit;
pub mod choice;
pub mod cpu;
pub mod dial;
mod error;
pub mod host;
pub mod hosts;
pub mod last_words;
pub mod lease;
pub mod lender;
mod local;
pub mod messages;
pub mod nursery;
pub mod order;
mod quota;
pub mod serve;
mod shared_bytes;
pub(crate) mod signal_set;
pub(crate) mod spawn;
pub mod stretch;
pub mod watchdog;
mod wires;
pub mod worker_entry;
mod workers;

pub use error::ClusterError;
pub use spawn::WORKER_COMMAND;
