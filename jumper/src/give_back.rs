//! Gives peers the memory back in which nothing is: a part of what the governor looks at.
//!
//! A program that sits on a peer and does little but system calls that home carries out holds the lock that the governor wants nearly all
//! the time. So a governor that finds it taken leaves word, and the program's thread looks itself before its next forwarded call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use eos_pager::error::PagerError;
use eos_pager::page::PAGE_SIZE;
use eos_pager::pager::Pager;
use eos_policy::slack::Slack;
use eos_verbs::NodeId;

use crate::RunError;
use crate::executor::Executor;
use crate::say::say;
use crate::size::Size;

/// What is known of each peer, by number of the node.
#[derive(Debug, Default)]
pub(crate) struct GivesBack {
    peers: Vec<Peer>,
    /// Tells what it does.
    verbose: bool,
    due: Due,
}

/// Whether the governor could not look when it wanted to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Due(Arc<AtomicBool>);

impl Due {
    /// The program's thread is to look.
    pub(crate) fn leave_word(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
struct Peer {
    slack: Slack,
    /// Pages it lent at the last look.
    limit: u64,
}

impl GivesBack {
    /// One look, where the program executes; gives back at most one slab to each peer, without waiting for an answer.
    ///
    /// # Errors
    /// A wire failed.
    pub(crate) fn look(&mut self, pager: &mut Pager) -> Result<(), PagerError> {
        self.due.0.store(false, Ordering::Relaxed);
        self.peers.resize_with(pager.nodes.len(), Peer::default);
        for (node, peer) in self.peers.iter_mut().enumerate().skip(NodeId::HOME.index() + 1) {
            let id = NodeId(node as u8);
            let lent = pager.nodes[node].limit;
            let leased = lent > peer.limit;
            peer.limit = lent;
            if !peer.slack.look(pager.free_slabs(id), leased) || !pager.give_slab_back(id)? {
                continue;
            }
            peer.limit = pager.nodes[node].limit;
            if self.verbose {
                let [given, kept] = [lent - peer.limit, peer.limit].map(|pages| Size(pages * PAGE_SIZE));
                say(format_args!("gave {given} back to {}, which lends {kept} now", pager.nodes[node].name));
            }
        }
        Ok(())
    }
}

impl Executor {
    /// Looks if the governor has left word.
    ///
    /// # Errors
    /// A wire failed.
    pub(crate) fn look_if_due(&mut self) -> Result<(), RunError> {
        if !self.gives_back.due.0.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.give_back()?;
        self.look_at_demands()?;
        self.drain_some().map(|_| ())
    }

    /// One look of the governor's.
    ///
    /// # Errors
    /// A wire failed.
    pub(crate) fn give_back(&mut self) -> Result<(), RunError> {
        Ok(self.gives_back.look(&mut self.pager)?)
    }

    /// Tells of what goes back from now on, if `verbose`. Returns where the governor leaves word.
    pub(crate) fn gives_back_aloud(&mut self, verbose: bool) -> Due {
        self.gives_back.verbose = verbose;
        self.gives_back.due.clone()
    }
}
