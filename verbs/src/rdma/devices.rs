//! What RDMA devices this node has: ports, GIDs, limits.

use std::net::{IpAddr, Ipv6Addr};

use super::context::Context;
use super::error::RdmaError;
pub use super::odp::OnDemandPaging;

/// An RDMA device of this node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Device {
    /// Name the kernel gave it, such as `mlx5_0` or `rxe0`.
    pub name: String,
    /// Its ports, by number.
    pub ports: Vec<Port>,
    /// What it can do.
    pub limits: Limits,
}

/// A port of a device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Port {
    /// Number, from 1.
    pub number: u8,
    /// Whether it can carry data.
    pub state: PortState,
    /// Bytes of payload one packet takes at most now (256 to 4096).
    pub active_mtu: u32,
    /// What it is connected to.
    pub link_layer: LinkLayer,
    /// Local identifier on an InfiniBand fabric; 0 on Ethernet.
    pub lid: u16,
    /// Its addresses; unused entries are left out.
    pub gids: Vec<Gid>,
}

/// State of a port (ibv_query_port(3)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PortState {
    /// No link.
    Down,
    /// Link, but not configured by a subnet manager yet.
    Init,
    /// Configured, but not yet active.
    Armed,
    /// Carries data.
    Active,
    /// Anything else.
    Other,
}

/// What a port is connected to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkLayer {
    /// An InfiniBand fabric: peers are found by LID.
    InfiniBand,
    /// Ethernet (RoCE): peers are found by GID.
    Ethernet,
}

/// An address of a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gid {
    /// Index in the port's table.
    pub index: u32,
    /// Which protocol it is for.
    pub kind: GidKind,
    /// The 16 bytes; an IPv4 address is mapped (`::ffff:10.0.0.1`).
    pub address: Ipv6Addr,
    /// The network interface it belongs to, if any.
    pub netdev: Option<String>,
}

impl Gid {
    /// The IP address of the interface, for RoCE v2.
    pub fn ip(&self) -> IpAddr {
        self.address.to_canonical()
    }
}

/// Which protocol a GID is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GidKind {
    /// InfiniBand.
    InfiniBand,
    /// RoCE v1: Ethernet frames that are not routed.
    RoceV1,
    /// RoCE v2: UDP.
    RoceV2,
}

/// Limits of a device (ibv_query_device(3)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Work requests one queue of a queue pair takes.
    pub max_qp_wr: u32,
    /// Completions one completion queue takes.
    pub max_cqe: u32,
    /// READs of a peer that one queue pair serves at a time.
    pub max_qp_rd_atom: u8,
    /// READs that one queue pair may have under way.
    pub max_qp_init_rd_atom: u8,
    /// Bytes of one memory region.
    pub max_mr_size: u64,
    /// What on-demand paging offers; `None`: not at all.
    pub on_demand_paging: Option<OnDemandPaging>,
}

/// The RDMA devices of this node.
///
/// # Errors
/// `LibraryMissing`, `NoDevice`, and `Device` when a device cannot be opened or asked.
pub fn devices() -> Result<Vec<Device>, RdmaError> {
    let contexts = Context::open_all()?;
    contexts.iter().map(Context::describe).collect()
}
