//! Names of nodes, transports and channels.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Most nodes one run can have, home included: a node number has four bits in a page table entry.
pub const MAX_NODES: usize = 16;

/// Number of a node in a run: 0 is home, 1..=15 are peers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct NodeId(pub u8);

impl NodeId {
    /// The node the program was started on.
    pub const HOME: NodeId = NodeId(0);

    /// The number as an index into arrays of [`MAX_NODES`].
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {}", self.0)
    }
}

/// A peer as errors name it: its number in this run, and the host as the person wrote it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct PeerName(pub NodeId, pub String);

impl PeerName {
    /// The node's number.
    pub fn node(&self) -> NodeId {
        self.0
    }
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.1.is_empty() { write!(f, "{}", self.0) } else { write!(f, "{} ({})", self.0, self.1) }
    }
}

/// How a queue pair carries its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum TransportKind {
    /// Three TCP connections and a responder thread.
    Tcp,
    /// The peer's region mapped into this process (same host).
    Shm,
    /// RC queue pairs of an RDMA device.
    Rdma,
}

impl fmt::Display for TransportKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            TransportKind::Tcp => "tcp",
            TransportKind::Shm => "shm",
            TransportKind::Rdma => "rdma",
        })
    }
}

/// Which transport the person asked for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub enum TransportChoice {
    /// The best that both ends have.
    #[default]
    Auto,
    /// Always tcp.
    Tcp,
    /// Always shm; peers on other hosts are refused.
    Shm,
    /// Always rdma; peers that have no RDMA device on a common network are refused.
    Rdma,
}

impl fmt::Display for TransportChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            TransportChoice::Auto => "auto",
            TransportChoice::Tcp => "tcp",
            TransportChoice::Shm => "shm",
            TransportChoice::Rdma => "rdma",
        })
    }
}

impl FromStr for TransportChoice {
    type Err = UnknownTransport;

    fn from_str(word: &str) -> Result<Self, UnknownTransport> {
        match word {
            "auto" => Ok(TransportChoice::Auto),
            "tcp" => Ok(TransportChoice::Tcp),
            "shm" => Ok(TransportChoice::Shm),
            "rdma" => Ok(TransportChoice::Rdma),
            _ => Err(UnknownTransport(word.to_owned())),
        }
    }
}

/// A word that names no transport.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no transport is called {0:?}: use auto, rdma, tcp or shm")]
pub struct UnknownTransport(pub String);

/// What one connection between two nodes is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum ChannelKind {
    /// tcp: messages, both ways.
    Msg,
    /// tcp: the initiator reads and writes the acceptor's region.
    Forward,
    /// tcp: the acceptor reads and writes the initiator's region.
    Back,
    /// shm: the unix stream that passes descriptors and shows that the peer lives.
    Shm,
    /// rdma: the exchange of addresses and keys, requests for fresh queue pairs, and the sign that the peer lives.
    Rdma,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transport_choice_reads_back_what_it_prints() {
        for choice in [TransportChoice::Auto, TransportChoice::Tcp, TransportChoice::Shm, TransportChoice::Rdma] {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        assert!("ethernet".parse::<TransportChoice>().is_err());
    }

    #[test]
    fn a_peer_is_named_by_number_and_host() {
        assert_eq!(PeerName(NodeId(3), "hostb".into()).to_string(), "node 3 (hostb)");
        assert_eq!(PeerName(NodeId(3), String::new()).to_string(), "node 3");
    }
}
