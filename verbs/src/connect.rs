//! Making the link between two nodes from streams that are connected and authenticated.

use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use zerocopy::little_endian::{U16, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::VerbsError;
use crate::names::{NodeId, PeerName};
use crate::queue_pair::QueuePair;
use crate::rdma::{self, PortChoice};
use crate::region::Region;
use crate::tuning::Tuning;
use crate::{shm, tcp};

/// How long the two ends wait for each other when they connect.
pub(crate) const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// The connected streams one pair of nodes needs.
#[derive(Debug)]
pub enum Wires {
    /// Three connections. All three were opened by the initiator.
    Tcp {
        /// Messages, both ways.
        msg: TcpStream,
        /// The initiator reads and writes the acceptor's region.
        forward: TcpStream,
        /// The acceptor reads and writes the initiator's region.
        back: TcpStream,
    },
    /// One unix stream, between two processes of one host.
    Shm(UnixStream),
    /// One TCP connection, over which the queue pairs are brought up; it stays open. Whether this end can use RDMA for it,
    /// [`rdma::usable_for`] tells.
    Rdma {
        /// The connection.
        control: TcpStream,
        /// The port to use; `None`: the one that [`rdma::usable_for`] finds.
        port: Option<PortChoice>,
    },
}

/// Joins this node to `peer`. Both ends call it at the same time, one of them as the initiator. The ends tell each other
/// who they are and how long their regions are; `peer_region_len` is what this end expects (bytes), or 0 to take any.
///
/// # Errors
/// `Disconnected` when the peer does not answer in 5 s, `Protocol` when it is another node or has another region length than
/// expected, `Local` when this node is short of threads, memory or descriptors, `Rdma` when it cannot use RDMA for the link.
pub fn connect_pair(
    me: NodeId,
    peer: PeerName,
    initiator: bool,
    wires: Wires,
    region: &Arc<Region>,
    peer_region_len: u64,
) -> Result<Box<dyn QueuePair>, VerbsError> {
    connect_pair_with(me, peer, initiator, wires, region, peer_region_len, Tuning::default())
}

/// [`connect_pair`] with other spin limits, for measurements.
///
/// # Errors
/// As [`connect_pair`].
pub fn connect_pair_with(
    me: NodeId,
    peer: PeerName,
    initiator: bool,
    wires: Wires,
    region: &Arc<Region>,
    peer_region_len: u64,
    tuning: Tuning,
) -> Result<Box<dyn QueuePair>, VerbsError> {
    let link = Terms { me, peer, initiator, region: Arc::clone(region), peer_region_len, tuning };
    Ok(match wires {
        Wires::Tcp { msg, forward, back } => Box::new(tcp::connect(&link, msg, forward, back)?),
        Wires::Shm(stream) => Box::new(shm::connect(&link, stream)?),
        Wires::Rdma { control, port } => Box::new(rdma::connect(&link, control, port)?),
    })
}

/// What all transports need to know to connect.
pub(crate) struct Terms {
    pub(crate) me: NodeId,
    pub(crate) peer: PeerName,
    pub(crate) initiator: bool,
    pub(crate) region: Arc<Region>,
    pub(crate) peer_region_len: u64,
    pub(crate) tuning: Tuning,
}

/// First thing each end says on a fresh link.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Announcement {
    magic: [u8; 4],
    node: u8,
    initiator: u8,
    /// The only CPU that this end may use, and 1; 0: it may use several.
    lone_cpu: U16,
    region_len: U64,
}

/// See [`Announcement::lone_cpu`].
fn lone_cpu() -> u16 {
    let Ok(cpus) = rustix::thread::sched_getaffinity(None) else { return 0 };
    let first = (0..rustix::thread::CpuSet::MAX_CPU).find(|cpu| cpus.is_set(*cpu));
    first.filter(|_| cpus.count() == 1).and_then(|cpu| u16::try_from(cpu + 1).ok()).unwrap_or(0)
}

impl Announcement {
    /// Whether this end and the one that said `theirs`, on one host, have one CPU between them.
    pub(crate) fn shares_cpu(&self, theirs: &Announcement) -> bool {
        self.lone_cpu.get() != 0 && self.lone_cpu == theirs.lone_cpu
    }
}

impl Terms {
    pub(crate) fn announcement(&self) -> Announcement {
        let region_len = U64::new(self.region.len() as u64);
        let lone_cpu = U16::new(lone_cpu());
        Announcement { magic: *b"EOSP", node: self.me.0, initiator: self.initiator.into(), lone_cpu, region_len }
    }

    /// Checks what the peer said; returns the length of its region in bytes.
    pub(crate) fn check(&self, theirs: &Announcement) -> Result<u64, VerbsError> {
        let len = theirs.region_len.get();
        let complaint = if theirs.magic != *b"EOSP" {
            "it does not speak the link protocol"
        } else if theirs.node != self.peer.0.0 {
            "another node answered"
        } else if theirs.initiator != u8::from(!self.initiator) {
            "both ends have the same role on the link"
        } else if len == 0 || !len.is_multiple_of(crate::PAGE as u64) {
            "its region is not a whole number of pages"
        } else if self.peer_region_len != 0 && self.peer_region_len != len {
            "its region does not have the length agreed on"
        } else {
            return Ok(len);
        };
        Err(VerbsError::protocol(&self.peer, complaint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_that_does_not_fit_is_refused() {
        let region = Region::new(crate::PAGE).expect("a region");
        let terms = |me, peer, initiator, expected| Terms {
            me: NodeId(me),
            peer: PeerName(NodeId(peer), "test".into()),
            initiator,
            region: Arc::clone(&region),
            peer_region_len: expected,
            tuning: Tuning::default(),
        };
        let ours = terms(0, 1, true, 0);
        assert_eq!(ours.check(&terms(1, 0, false, 0).announcement()).expect("fits"), 4096);
        assert!(ours.check(&terms(2, 0, false, 0).announcement()).is_err());
        assert!(ours.check(&terms(1, 0, true, 0).announcement()).is_err());
        assert!(terms(0, 1, true, 8192).check(&terms(1, 0, false, 0).announcement()).is_err());
        let mut foreign = terms(1, 0, false, 0).announcement();
        foreign.magic = *b"HTTP";
        assert!(ours.check(&foreign).is_err());
        let mut odd = terms(1, 0, false, 0).announcement();
        odd.region_len = U64::new(5);
        assert!(ours.check(&odd).is_err());
    }
}
