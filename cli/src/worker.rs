//! `eos-rdma worker`: one run's process on a peer.

use crate::args::WorkerArgs;
use crate::error::CliError;
use eos_jumper::cluster::worker_entry;

/// Becomes a node of a run and serves it until it ends.
pub fn worker(args: WorkerArgs) -> Result<(), CliError> {
    let fds =
        worker_entry::WorkerArgs { parent: args.parent, control: args.control, lease: args.lease, setup: args.setup };
    match worker_entry::enter(fds, eos_jumper::worker::run) {
        Ok(never) => match never {},
        Err(error) => Err(error.into()),
    }
}
