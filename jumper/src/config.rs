//! Everything a run needs to know, resolved: what `eos-rdma run` makes of its options.

use crate::cluster::hosts::HostSpec;
use crate::compress::Compress;
use crate::low_fds::LowFds;
use crate::record::Recording;
use crate::stats::RunStats;
use eos_verbs::TransportChoice;
use eos_verbs::session::ClusterKey;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// The options of one run.
pub struct RunConfig {
    /// The program, its arguments and its environment.
    pub command: Command,
    /// What it runs with, and what programs that it executes run with.
    pub options: RunOptions,
    /// When peers are joined.
    pub join: Join,
    /// Called once at the end with the numbers of the run (`--stats`, `--stats-json`). May write
    /// to stderr and to files; is called after the program has ended, on its thread.
    pub report: Option<Report>,
    /// Where the trace of the run goes (`--record`); the program itself is recorded, not those that it executes or forks.
    pub recording: Option<Recording>,
    /// Keeps the low descriptor numbers free; drop it right before the program's first instruction.
    pub low_fds: LowFds,
}

/// A program to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The program as it was named: a path, or a name to look up in PATH.
    pub program: OsString,
    /// Its arguments, argv\[0\] included.
    pub argv: Vec<OsString>,
    /// Its environment, each entry as it stands in `environ` (usually KEY=VALUE).
    pub environment: Vec<OsString>,
}

/// How programs are run.
#[derive(Clone, Serialize, Deserialize)]
pub struct RunOptions {
    /// Where memory may stretch to.
    pub peers: PeerChoice,
    /// The file that names them, which is watched for more; none if there is none.
    pub hosts_file: Option<PathBuf>,
    /// Bytes of a program's memory that may be resident at home (`--memory`), to begin with.
    pub memory_bytes: u64,
    /// Bytes that these may become, following what the machine can spare; none: they stay.
    pub memory_most_bytes: Option<u64>,
    /// When execution jumps.
    pub jump: JumpRule,
    /// Whether pages come along with those that the program asks for, where it goes through memory in an order.
    pub prefetch: bool,
    /// Where pages are compressed on tcp links.
    pub compress: Compress,
    /// Transport asked for.
    pub transport: TransportChoice,
    /// Key of the cluster; [`ClusterKey::OPEN`] if none was given.
    #[serde(with = "key_bytes")]
    pub key: ClusterKey,
    /// Seed of `--torture`: evict and jump at random faults and system calls.
    pub torture: Option<u64>,
    /// Whether to tell on stderr what is decided and why.
    pub verbose: bool,
    /// Whether programs that the program executes run in the same way; else they run natively.
    pub follow_exec: bool,
}

/// When peers are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// Before the program starts, so that a peer that is down is told at once.
    AtStart,
    /// When the program needs more memory than its budget: most programs that others execute are small and never do.
    OnNeed,
}

/// A key on its way to a process of the same run, through memory that only it can read.
mod key_bytes {
    use eos_verbs::session::ClusterKey;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(key: &ClusterKey, serializer: S) -> Result<S::Ok, S::Error> {
        key.as_bytes().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ClusterKey, D::Error> {
        <[u8; 32]>::deserialize(deserializer).map(ClusterKey::from)
    }
}

/// What is done with the numbers of a run.
pub type Report = Box<dyn FnOnce(&RunStats) + Send>;

/// Where the memory may stretch to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum JumpRule {
    /// Never: pages always come to the execution.
    Never,
    /// After so many pulls from one node since the last jump.
    After(u32),
    /// When it pays, as far as can be told from what pulls and jumps cost here.
    Auto,
}

impl fmt::Debug for RunConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunConfig")
            .field("program", &self.command.program)
            .field("argv", &self.command.argv)
            .field("peers", &self.options.peers)
            .field("memory_bytes", &self.options.memory_bytes)
            .field("jump", &self.options.jump)
            .field("transport", &self.options.transport)
            .field("torture", &self.options.torture)
            .field("verbose", &self.options.verbose)
            .finish_non_exhaustive()
    }
}
