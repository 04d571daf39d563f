//! Everything a run needs to know, resolved: what `eos-rdma run` makes of its options.

use crate::cluster::hosts::HostSpec;
use crate::low_fds::LowFds;
use crate::stats::RunStats;
use eos_verbs::TransportChoice;
use eos_verbs::session::ClusterKey;
use std::ffi::OsString;
use std::fmt;

/// Pulls from one node since the last jump after which execution jumps, unless said otherwise
/// (the paper's best value for linear search).
pub const JUMP_THRESHOLD_DEFAULT: u32 = 32;

/// The options of one run.
pub struct RunConfig {
    /// The program as the person named it: a path, or a name to look up in PATH.
    pub program: OsString,
    /// Its arguments, without argv\[0\].
    pub arguments: Vec<OsString>,
    /// Its environment, each entry as it stands in `environ` (usually KEY=VALUE).
    pub environment: Vec<OsString>,
    /// Where its memory may stretch to.
    pub peers: PeerChoice,
    /// Bytes of its memory that may be resident at home (`--memory`).
    pub memory_bytes: u64,
    /// When execution jumps.
    pub jump: JumpRule,
    /// Transport asked for.
    pub transport: TransportChoice,
    /// Key of the cluster; [`ClusterKey::OPEN`] if none was given.
    pub key: ClusterKey,
    /// Called once at the end with the numbers of the run (`--stats`, `--stats-json`). May write
    /// to stderr and to files; is called after the program has ended, on its thread.
    pub report: Option<Report>,
    /// Seed of `--torture`: evict and jump at random faults and system calls.
    pub torture: Option<u64>,
    /// Whether to tell on stderr what is decided and why.
    pub verbose: bool,
    /// Keeps the low descriptor numbers free; drop it right before the program's first instruction.
    pub low_fds: LowFds,
}

/// What is done with the numbers of a run.
pub type Report = Box<dyn FnOnce(&RunStats) + Send>;

/// Where the memory may stretch to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerChoice {
    /// Nowhere: going over the budget is an error.
    None,
    /// Daemons on these hosts; the first is node 1.
    Hosts(Vec<HostSpec>),
    /// Processes of this run on this host.
    Local {
        /// How many.
        count: usize,
        /// Bytes that each may hold.
        memory_bytes: u64,
    },
}

/// When execution jumps to the node that holds the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JumpRule {
    /// Never: pages always come to the execution.
    Never,
    /// After so many pulls from one node since the last jump.
    After(u32),
    /// After so many pulls to begin with, after more of them while jumps do not pay.
    Damped(u32),
}

impl fmt::Debug for RunConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunConfig")
            .field("program", &self.program)
            .field("arguments", &self.arguments)
            .field("peers", &self.peers)
            .field("memory_bytes", &self.memory_bytes)
            .field("jump", &self.jump)
            .field("transport", &self.transport)
            .field("torture", &self.torture)
            .field("verbose", &self.verbose)
            .finish_non_exhaustive()
    }
}
