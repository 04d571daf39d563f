//! Pure decisions: which page goes, where it goes, when execution follows.
//!
//! | module | decides |
//! |---|---|
//! | [`clock`] | which page is the next victim: second chance |
//! | [`affinity`] | to which node a victim goes |
//! | [`threshold`] | when to jump: after so many pulls from one node |
//! | [`window`] | how many neighbours come along with a page |
//! | [`torture`] | what to do at random, reproducibly, in tests |
//!
//! No unsafe code, no I/O, no clock of the machine: the same inputs give the same decision, so traces and tables test it.
//! Pages and nodes are bare numbers here, so that the crate needs none of the others.
#![forbid(unsafe_code)]

pub mod affinity;
pub mod clock;
pub mod threshold;
pub mod torture;
pub mod window;

/// Most nodes of a run, home (number 0) included.
pub const NODES: usize = 16;
