//! The program and its home: loading, traps, gateway, signals, jump, deputy, worker, and the cluster.
//!
//! | module | what it holds |
//! |---|---|
//! | [`load`] | what to map for a program file, and its initial stack |
//! | [`traps`] | from the program into the runtime and back |
//! | [`executor`] | what becomes of a trap: system calls, faults, the end |
//! | [`gateway`] | the table of all system calls and the memory they touch |
//! | [`forward`] | shipping a system call to home |
//! | [`clock_page`] | what the program has in place of the vDSO |
//! | [`memory`] | mmap and its kin |
//! | [`signals`] | the program's handlers, masks and frames |
//! | [`threads`] | the program's threads and what hosts them |
//! | [`process`] | execve and fork |
//! | [`proc_view`] | what the program finds of itself in /proc |
//! | [`jump`] | moving execution |
//! | [`spare`], [`governor`], `keepers` | what the machine can spare, the budget that follows it, and the threads beside the program |
//! | [`cluster`] | peers: hosts file, daemon, links |
//! | [`compress`] | which rule links compress pages by |
//! | [`record`] | `--record`: the trace of a run |
//! | [`doctor`] | what this machine and the peers have and lack |
//! | [`wire_bench`] | what the wire to a peer does |
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod clock_page;
pub mod cluster;
pub mod compress;
pub mod config;
mod demand;
pub mod doctor;
pub mod executor;
pub mod forward;
pub mod gateway;
mod give_back;
pub mod governor;
pub mod jump;
mod keepers;
pub mod load;
pub mod low_fds;
pub mod memory;
mod newcomers;
pub mod own_fds;
pub mod peers;
pub mod proc_view;
pub mod process;
pub mod record;
pub mod run;
pub mod say;
pub mod signals;
pub mod size;
pub mod spare;
pub mod stats;
pub mod threads;
pub mod traps;
pub mod wire_bench;
pub mod worker;

pub use run::{EXIT_OWN_ERROR, RunError, run};
