//! The runtime's threads beside the program at home: the governor, and who watches the hosts file.
//!
//! A forked child has neither; most children never need a peer. It gets them when peers have joined it for the first time.

use crate::RunError;
use crate::config::PeerChoice;
use crate::executor::{Executor, House};
use crate::governor::{Follows, Governor};
use crate::newcomers::watch::Watch;

/// Whether a process has its threads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kept {
    /// It has, or is to have none.
    Yes,
    /// It gets them with its first peer.
    WithPeers,
}

/// Starts what the options ask for. `follows`: the budget that the machine's memory decides.
///
/// # Errors
/// There are too many threads.
pub(crate) fn start(house: &'static House, executor: &mut Executor, follows: Option<Follows>) -> Result<(), RunError> {
    executor.kept = Kept::Yes;
    let Some(options) = executor.home.as_ref().map(|home| home.options.clone()) else {
        return Ok(());
    };
    // Nothing goes by the clock under torture.
    if options.peers != PeerChoice::None && (follows.is_some() || options.torture.is_none()) {
        Governor::new(follows, options.verbose).start(house, executor).map_err(RunError::Keeper)?;
    }
    if let (Some(file), PeerChoice::Hosts(known)) = (options.hosts_file, options.peers) {
        Watch { file, known, key: options.key }.start(house).map_err(RunError::Keeper)?;
    }
    Ok(())
}

impl Executor {
    /// Starts them, if this is a forked child that has just got its first peers.
    ///
    /// # Errors
    /// There are too many threads.
    pub(crate) fn keep(&mut self, house: &'static House) -> Result<(), RunError> {
        if self.kept == Kept::Yes || self.pager.nodes.len() == 1 {
            return Ok(());
        }
        start(house, self, None)
    }
}
