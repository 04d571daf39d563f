//! What can go wrong on the wire.

use std::io;

use crate::names::PeerName;
use crate::rdma::RdmaError;

/// A failed operation of a queue pair or region. Each names the node and what the person can do.
#[derive(Debug, thiserror::Error)]
pub enum VerbsError {
    /// The peer's process or host is gone, or the network to it.
    #[error(
        "{peer} is gone: its process ended or the network to it is down; look at its log, then start the run again"
    )]
    Disconnected {
        /// The node that is gone.
        peer: PeerName,
    },
    /// A system call on the link to the peer failed.
    #[error("{what} on the link to {peer} failed: {source}; check the network and the limits of both hosts")]
    Io {
        /// The node at the other end.
        peer: PeerName,
        /// What was tried.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The peer sent something it must not send.
    #[error("{peer} broke the protocol: {what}; run the same version of eos-rdma on both hosts")]
    Protocol {
        /// The node at the other end.
        peer: PeerName,
        /// What it did.
        what: &'static str,
    },
    /// A read or write outside the peer's region.
    #[error("bytes {offset}..+{len} are outside the region of {peer} ({region_len} bytes); this is a bug, report it")]
    OutOfRange {
        /// The node whose region it is.
        peer: PeerName,
        /// First byte asked for.
        offset: u64,
        /// Bytes asked for.
        len: usize,
        /// Bytes the region has.
        region_len: u64,
    },
    /// A message or transfer above its limit.
    #[error("{what} of {len} bytes for {peer} is above the limit of {limit}; this is a bug, report it")]
    TooLong {
        /// The node at the other end.
        peer: PeerName,
        /// Message, read or write.
        what: &'static str,
        /// Bytes asked for.
        len: usize,
        /// Most bytes allowed.
        limit: usize,
    },
    /// This node cannot use RDMA, or not with this peer.
    #[error("rdma: {0}")]
    Rdma(#[from] RdmaError),
    /// This node could not get memory, a thread or a descriptor.
    #[error("this node could not {what}: {source}; raise its limits (memory, open files, processes) and try again")]
    Local {
        /// What was tried.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

impl VerbsError {
    /// The peer the error is about; `None` when this node itself is short of something.
    pub fn peer(&self) -> Option<&PeerName> {
        match self {
            VerbsError::Disconnected { peer }
            | VerbsError::Io { peer, .. }
            | VerbsError::Protocol { peer, .. }
            | VerbsError::OutOfRange { peer, .. }
            | VerbsError::TooLong { peer, .. } => Some(peer),
            VerbsError::Rdma(
                RdmaError::Unreachable { peer, .. }
                | RdmaError::Blocked { peer, .. }
                | RdmaError::PeerMemory { peer, .. },
            ) => Some(peer),
            VerbsError::Rdma(_) | VerbsError::Local { .. } => None,
        }
    }

    pub(crate) fn local(what: &'static str) -> impl FnOnce(rustix::io::Errno) -> VerbsError {
        move |errno| VerbsError::Local { what, source: errno.into() }
    }

    pub(crate) fn protocol(peer: &PeerName, what: &'static str) -> VerbsError {
        VerbsError::Protocol { peer: peer.clone(), what }
    }

    /// An error of a system call on the link: the errnos that mean "the other end is gone" become `Disconnected`.
    pub(crate) fn link(peer: &PeerName, what: &'static str, source: io::Error) -> VerbsError {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, HostUnreachable, NetworkUnreachable};
        use io::ErrorKind::{NotConnected, TimedOut, UnexpectedEof};
        let peer = peer.clone();
        match source.kind() {
            BrokenPipe | ConnectionAborted | ConnectionReset | HostUnreachable | NetworkUnreachable | NotConnected
            | TimedOut | UnexpectedEof => VerbsError::Disconnected { peer },
            _ => VerbsError::Io { peer, what, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::NodeId;

    #[test]
    fn every_error_of_a_link_names_the_peer() {
        let peer = PeerName(NodeId(2), "hostb".into());
        let gone = VerbsError::link(&peer, "a read", io::Error::from_raw_os_error(libc::ECONNRESET));
        assert!(matches!(gone, VerbsError::Disconnected { .. }));
        assert!(gone.to_string().contains("node 2 (hostb)"));
        let io = VerbsError::link(&peer, "a read", io::Error::from_raw_os_error(libc::ENOMEM));
        assert!(io.to_string().contains("a read on the link to node 2 (hostb)"));
    }
}
