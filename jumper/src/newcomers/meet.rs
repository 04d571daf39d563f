//! A worker's side: while it is parked, home tells it of a newcomer. It links itself to it, says so, and counts it as a node when home says
//! that all others have done so too.

use std::sync::Arc;

use eos_pager::pager::NodeBook;
use eos_verbs::{NodeId, PeerName, Region, connect_pair};

use crate::RunError;
use crate::cluster::dial::Caller;
use crate::cluster::messages::{Introduction, LinkReport, Reach, TopologyNode, encode};
use crate::cluster::stretch::Link;
use crate::compress::Compress;
use crate::executor::Executor;
use crate::jump::messages;

/// What a worker needs to link itself to others.
pub(crate) struct Acquaintance {
    pub caller: Caller,
    pub region: Arc<Region>,
    pub compress: Compress,
    /// Whether execution ever leaves home.
    pub jumps: bool,
    /// Who has been linked, and is no node yet.
    pub met: Option<(TopologyNode, Link)>,
}

impl Executor {
    /// Home introduces a newcomer.
    ///
    /// # Errors
    /// The message makes no sense, or the wire to home failed. If the newcomer cannot be reached home is told.
    pub(crate) fn meet_newcomer(&mut self, message: &[u8]) -> Result<(), RunError> {
        let nonsense = || RunError::Internal("home introduced a peer in words that make no sense");
        let introduction: Introduction = postcard::from_bytes(message).map_err(|_| nonsense())?;
        let own = self.acquaintance.as_mut().ok_or_else(nonsense)?;
        let report: Result<LinkReport, String> = own.link(introduction).map_err(|error| error.to_string());
        self.send(NodeId::HOME, &[&[messages::NEWCOMER_REPLY], &encode(&report)])
    }

    /// Home says that the newcomer that was met last is a node from now on, or that it does not come.
    ///
    /// # Errors
    /// The wire failed.
    pub(crate) fn seat_newcomer(&mut self, message: &[u8]) -> Result<(), RunError> {
        let met = self.acquaintance.as_mut().and_then(|own| own.met.take().map(|met| (met, own.jumps)));
        if let (Some(((node, link), jumps)), [1]) = (met, message) {
            if node.node.index() != self.pager.nodes.len() {
                return Err(RunError::Internal("a newcomer has a number that is not the next"));
            }
            self.pager.seat(book(&node, jumps), link);
        }
        self.send(NodeId::HOME, &[&[messages::SEATED_REPLY]])
    }
}

impl Acquaintance {
    fn link(&mut self, introduction: Introduction) -> Result<LinkReport, crate::cluster::ClusterError> {
        let Introduction { node, transport } = introduction;
        let Reach::Daemon(daemon) = &node.reach else {
            let what = "it has no daemon".to_owned();
            return Err(crate::cluster::ClusterError::Worker { host: node.name, what });
        };
        let name = PeerName(node.node, node.name.clone());
        let me = self.caller.me;
        let (mut link, reason) = self
            .caller
            .link(daemon, transport, |wires| connect_pair(me, name.clone(), true, wires, &self.region, 0))?;
        self.compress.apply(link.as_mut());
        let report = LinkReport { to: node.node, transport: link.transport(), reason };
        self.met = Some((node, link));
        Ok(report)
    }
}

/// The book of a node in which nothing is yet.
pub(super) fn book(node: &TopologyNode, jumps: bool) -> NodeBook {
    NodeBook {
        name: node.name.clone(),
        executes: jumps && !node.memory_only,
        resident: 0,
        limit: 0,
        exhausted: false,
        slab: 0,
        owed: 0,
    }
}
