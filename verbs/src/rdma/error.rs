//! Why this node cannot use RDMA.

use std::io;
use std::net::IpAddr;

use crate::names::PeerName;

/// What is missing for RDMA on this node, and what the person can do.
#[derive(Debug, thiserror::Error)]
pub enum RdmaError {
    /// libibverbs cannot be loaded.
    #[error("libibverbs not found ({reason}); install it (Debian, Ubuntu: apt install libibverbs1 ibverbs-providers)")]
    LibraryMissing {
        /// What the dynamic linker said.
        reason: String,
    },
    /// The kernel has no RDMA device.
    #[error("no RDMA device; load the driver of the adapter, or make a soft-RoCE device (rdma link add)")]
    NoDevice,
    /// A device is there but this user may not use it, or its provider is missing.
    #[error("RDMA device {device} cannot be used, {what}: {source}; check the access rights of /dev/infiniband/*")]
    Device {
        /// Name of the device.
        device: String,
        /// What was tried.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// No RoCE v2 port has the address of the connection, and no InfiniBand port is active.
    #[error(
        "no active RDMA port has the address {address}: use an address of an RDMA interface in the peers file \
         (eos-rdma doctor lists them)"
    )]
    NoPort {
        /// The local address of the connection.
        address: IpAddr,
    },
    /// The port is there, but down.
    #[error("port {port} of RDMA device {device} is not active; check the cable, and `ip link set … up`")]
    PortDown {
        /// Name of the device.
        device: String,
        /// Number of the port, from 1.
        port: u8,
    },
    /// Memory could not be pinned because of the limit.
    #[error(
        "registering {len} bytes for RDMA exceeds the limit of locked memory ({limit} bytes): raise it with \
         `ulimit -l unlimited`, a memlock line in /etc/security/limits.d, or LimitMEMLOCK=infinity in the systemd unit"
    )]
    MemoryLimit {
        /// Bytes that were to be registered.
        len: usize,
        /// RLIMIT_MEMLOCK, bytes.
        limit: u64,
    },
    /// Memory could not be registered for another reason.
    #[error("registering {len} bytes for RDMA failed: {source}; lend less memory, or free some on this node")]
    Registration {
        /// Bytes that were to be registered.
        len: usize,
        /// What the kernel said.
        source: io::Error,
    },
    /// The peer is short of memory that it may lock.
    #[error(
        "{peer} could not register {len} more bytes for RDMA: raise the limit of locked memory there (LimitMEMLOCK=infinity, \
         `ulimit -l unlimited`) or lend less memory, or use --transport tcp"
    )]
    PeerMemory {
        /// The node at the other end.
        peer: PeerName,
        /// Bytes that were to be registered.
        len: usize,
    },
    /// The control connection lives, but the queue pairs cannot talk.
    #[error(
        "{peer} cannot be reached over RDMA device {device}; check that both ports are on one network and that UDP port 4791 \
         is open, or use --transport tcp"
    )]
    Unreachable {
        /// Name of this node's device.
        device: String,
        /// The node at the other end.
        peer: PeerName,
    },
    /// A link that worked does so no more, though the peer's process lives and answers.
    #[error(
        "{peer} lives, but nothing gets through to it over RDMA device {device}: packets are lost or come out of order; check the \
         network path between the two hosts, or use --transport tcp"
    )]
    Blocked {
        /// Name of this node's device.
        device: String,
        /// The node at the other end.
        peer: PeerName,
    },
    /// The device has failed or was removed while in use.
    #[error("RDMA device {device} failed or was removed; look at dmesg, then start the run again")]
    DeviceGone {
        /// Name of the device.
        device: String,
    },
}
