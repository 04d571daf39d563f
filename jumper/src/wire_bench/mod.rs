//! `eos-rdma bench verbs`: what the wire to a peer does, through the same session and queue pairs as a run.
//!
//! | file | what |
//! |---|---|
//! | `measure` | READ, WRITE and SEND of each size |
//! | `echo` | the worker at the other end: its memory is read and written, its messages come back |
//! | `perftest` | the same numbers of `ib_read_lat` and its kin, where they are installed |

mod echo;
mod measure;
mod perftest;

pub use echo::serve;
pub use measure::Row;
pub use perftest::{Perftest, Reference};

use crate::RunError;
use crate::cluster::ClusterError;
use crate::cluster::hosts::HostSpec;
use crate::cluster::stretch::{Cluster, ConnectOptions};
use crate::size::Size;
use crate::worker::Task;
use eos_verbs::session::ClusterKey;
use eos_verbs::{PAGE, Region, TransportChoice};
use serde::Serialize;
use std::path::PathBuf;

/// Bytes of the peer's memory that are read and written: above the caches of most processors, within any peer's means.
pub const REGION_BYTES: u64 = 64 << 20;

/// Sizes that are measured, bytes.
pub const SIZES: [usize; 8] = [8, 64, 512, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20];

/// What to measure with.
pub struct BenchOptions {
    /// The cluster's key; [`ClusterKey::OPEN`] if there is none.
    pub key: ClusterKey,
    /// Transport asked for.
    pub transport: TransportChoice,
    /// Calls that are timed for each number, at most; a measurement also ends after some tenths of a second.
    pub rounds: usize,
    /// Executable of a local peer; `None`: this process's own.
    pub worker_exe: Option<PathBuf>,
}

/// All numbers of one peer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PeerBench {
    /// Host and port, or `local-1`.
    pub peer: String,
    /// Transport of the link.
    pub transport: String,
    /// Why this transport.
    pub transport_reason: String,
    /// One for each operation and size.
    pub rows: Vec<Row>,
    /// What perftest says, or why it says nothing.
    pub perftest: Perftest,
}

/// Measures the link to one peer; without `host` to a worker on this machine. Takes about ten seconds.
///
/// # Errors
/// The peer cannot be joined, offers too little memory, or is lost meanwhile.
pub fn run(host: Option<&HostSpec>, options: &BenchOptions) -> Result<PeerBench, RunError> {
    let mut cluster = join(host, options)?;
    let peer = &cluster.peers[0];
    let report = PeerBench {
        peer: peer.name.clone(),
        transport: peer.transport.to_string(),
        transport_reason: peer.transport_reason.clone(),
        rows: Vec::new(),
        perftest: Perftest::Missing(String::new()),
    };
    if peer.memory_bytes < REGION_BYTES {
        let what = format!("it offers {} of the {} needed", Size(peer.memory_bytes), Size(REGION_BYTES));
        let what = format!("{what}; give its daemon a larger --memory");
        return Err(ClusterError::Worker { host: report.peer, what }.into());
    }
    let address = peer.address();
    let rows = measure::all(&mut cluster.links, options.rounds)?;
    let perftest = perftest::all(&mut cluster.links, address)?;
    Ok(PeerBench { rows, perftest, ..report })
}

fn join(host: Option<&HostSpec>, options: &BenchOptions) -> Result<Cluster, RunError> {
    let payload = postcard::to_stdvec(&Task::Echo).map_err(|_| RunError::Internal("a task could not be encoded"))?;
    let connect = ConnectOptions {
        key: options.key.clone(),
        transport: options.transport,
        region: Region::new(PAGE)?,
        payload,
        worker_exe: options.worker_exe.clone(),
    };
    Ok(match host {
        Some(spec) => Cluster::connect(&[HostSpec { memory: Some(REGION_BYTES), ..spec.clone() }], &connect)?,
        None => Cluster::local(1, REGION_BYTES, &connect)?,
    })
}
