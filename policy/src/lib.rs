//! Pure decisions: which page goes, where it goes, when execution follows.
//!
//! | module | decides |
//! |---|---|
//! | [`queues`] | which page is the next victim: newcomers, unless they come back |
//! | [`affinity`] | to which node a victim goes |
//! | [`advisor`] | when to jump and where, by the rule that was chosen |
//! | [`prefetch`] | which pages come along with one that is pulled: majority trend, ways that were gone before, windows |
//! | [`budget`] | how much memory home may use, where the user has not said |
//! | [`homecoming`] | when pages come home that nobody has asked for |
//! | [`packing`] | whether pages are compressed on their way over a link |
//! | [`slack`] | when memory that a peer lends and nobody uses goes back |
//! | [`threshold`] | when to jump: after so many pulls from one node |
//! | [`adaptive`] | when to jump: when it pays, by what pulls and jumps cost here |
//! | [`ledger`] | how much may be tried, so that nothing is ever twice as slow as without jumps |
//! | [`window`] | how many neighbours come along with a page |
//! | [`sim`] | nothing: it replays traces of runs with these decisions and others |
//! | [`torture`] | what to do at random, reproducibly, in tests |
//!
//! No unsafe code, no I/O, no clock of the machine: the same inputs give the same decision, so traces and tables test it.
//! Pages and nodes are bare numbers here, so that the crate needs none of the others.
#![forbid(unsafe_code)]

pub mod adaptive;
pub mod advisor;
pub mod affinity;
pub mod budget;
pub mod homecoming;
pub mod ledger;
pub mod packing;
pub mod prefetch;
pub mod queues;
pub mod sim;
pub mod slack;
mod stamps;
pub mod threshold;
pub mod torture;
pub mod window;

/// Most nodes of a run, home (number 0) included.
pub const NODES: usize = 16;
