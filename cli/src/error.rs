//! Everything that ends a command, as one sentence each.

use crate::layout_check::LayoutError;
use eos_jumper::RunError;
use eos_jumper::cluster::ClusterError;
use eos_jumper::cluster::hosts::HostsError;
use eos_jumper::cluster::serve::ServeError;
use eos_jumper::cluster::worker_entry::WorkerError;
use eos_verbs::session::SessionError;
use std::io;
use std::path::PathBuf;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error("no program is given; usage: eos-rdma run PROGRAM [OPTIONS] -- ARGS")]
    NoProgram,
    #[error("cannot set descriptors aside: {0}; raise the limit of open files with: ulimit -n 1024")]
    Descriptors(io::Error),
    #[error("what to run cannot be read ({0}); the command follow is started by eos-rdma itself")]
    Follow(io::Error),
    #[error("local peers cannot be started from here ({0}); the command nursery is started by eos-rdma itself")]
    Nursery(io::Error),
    #[error("the size of free memory is not known ({0}); give --memory SIZE")]
    FreeMemory(io::Error),
    #[error("{listen}: {what}; write --listen as ADDRESS:PORT, as in 10.0.0.2:7471")]
    Listen { listen: String, what: String },
    #[error("cannot write {}: {source}; choose another file for --stats-json", path.display())]
    StatsFile { path: PathBuf, source: io::Error },
    #[error("cannot write {}: {source}; choose another file for --record", path.display())]
    RecordFile { path: PathBuf, source: io::Error },
    #[error("--daemon {daemon}: {what}; write it as HOST:PORT, as in 10.0.0.2:7471")]
    Daemon { daemon: String, what: String },
    #[error("--peer {peer}: {what}; write it as HOST:PORT, as in 10.0.0.2:7471")]
    Peer { peer: String, what: String },
    #[error("{}: {what}", path.display())]
    Trace { path: PathBuf, what: String },
    #[error("cannot draw {}: {what}; choose another file for --plot", path.display())]
    Plot { path: PathBuf, what: String },
    #[error("cannot write to standard output: {0}; see where it leads")]
    Output(io::Error),
    #[error(transparent)]
    Hosts(#[from] HostsError),
    #[error(transparent)]
    Key(#[from] SessionError),
    #[error(transparent)]
    Layout(#[from] LayoutError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Worker(#[from] WorkerError),
}
