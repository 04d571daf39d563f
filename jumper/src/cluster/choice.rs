//! Which transport joins two nodes, and why.
//!
//! `auto` takes shm on one host, else rdma where both ends have it, else tcp. Each end looks at its own RDMA devices; the
//! daemon tells what it found in the answer to the call that starts a worker.

use crate::cluster::ClusterError;
use crate::cluster::host::{LOCK_REMEDY, boot_id, lockable_bytes};
use crate::cluster::messages::DaemonAddress;
use crate::size::Size;
use eos_verbs::rdma::{self, Gid, GidKind, LinkLayer, PortState};
use eos_verbs::{TransportChoice, TransportKind};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::UnixStream;

/// A transport and the reason for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The transport.
    pub kind: TransportKind,
    /// Why, in a few words.
    pub reason: String,
}

/// The best transport to the daemon `to` that `choice` allows and both ends have. Opens no link.
///
/// # Errors
/// `choice` names a transport that cannot be had.
pub fn choose(to: &DaemonAddress, choice: TransportChoice) -> Result<Chosen, ClusterError> {
    let host = || to.name.clone();
    let asked_for = |kind| Ok(Chosen { kind, reason: "as asked for".to_owned() });
    match choice {
        TransportChoice::Tcp => asked_for(TransportKind::Tcp),
        TransportChoice::Shm => match shm_stream(to) {
            Ok(_) => Ok(Chosen { kind: TransportKind::Shm, reason: "same host".to_owned() }),
            Err(reason) => Err(ClusterError::NoShm { host: host(), reason }),
        },
        TransportChoice::Rdma => match rdma_of_both(to) {
            Ok(()) => asked_for(TransportKind::Rdma),
            Err(reason) => Err(ClusterError::NoRdma { host: host(), reason }),
        },
        TransportChoice::Auto => Ok(best(shm_stream(to).map(drop), || rdma_of_both(to))),
    }
}

/// What `auto` takes.
fn best(shm: Result<(), String>, rdma: impl FnOnce() -> Result<(), String>) -> Chosen {
    let Err(no_shm) = shm else {
        return Chosen { kind: TransportKind::Shm, reason: "same host".to_owned() };
    };
    match rdma() {
        Ok(()) => Chosen { kind: TransportKind::Rdma, reason: format!("{no_shm}, both have rdma") },
        Err(no_rdma) => Chosen { kind: TransportKind::Tcp, reason: format!("{no_shm}, no rdma {}", brief(&no_rdma)) },
    }
}

/// The beginning of a sentence of ours, up to details and remedy.
fn brief(sentence: &str) -> &str {
    let end = ["; ", " ("].iter().filter_map(|mark| sentence.find(mark)).min();
    &sentence[..end.unwrap_or(sentence.len())]
}

fn rdma_of_both(to: &DaemonAddress) -> Result<(), String> {
    rdma_towards(to.address).map_err(|why| format!("here: {why}"))?;
    to.rdma.clone().map_err(|why| format!("there: {why}"))
}

/// Whether this end can use rdma to `address`; the error says why not and what helps.
fn rdma_towards(address: SocketAddr) -> Result<(), String> {
    let local = local_address_towards(address).map_err(|error| format!("there is no way to {address} ({error})"))?;
    rdma_at(local)
}

/// Whether this node can use rdma at an address of its own; the error says why not and what helps.
pub fn rdma_at(local: IpAddr) -> Result<(), String> {
    rdma::usable_at(local).map(drop).map_err(|error| error.to_string())
}

/// As [`rdma_at`], for a node that lends `lent` bytes, all of which have to be locked.
pub fn rdma_of_lender(local: IpAddr, lent: u64) -> Result<(), String> {
    rdma_at(local)?;
    match lockable_bytes() {
        Some(limit) if limit < lent => {
            Err(format!("its limit of locked memory is {} and it lends {}; {LOCK_REMEDY}", Size(limit), Size(lent)))
        }
        _ => Ok(()),
    }
}

/// The address at which two processes of this node can use rdma between them; the error says why there is none.
pub fn rdma_within() -> Result<IpAddr, String> {
    let devices = rdma::devices().map_err(|error| error.to_string())?;
    let ports = || devices.iter().flat_map(|device| &device.ports).filter(|port| port.state == PortState::Active);
    let addresses = ports().flat_map(|port| &port.gids).filter(|gid| gid.kind == GidKind::RoceV2).map(Gid::ip);
    // a device may be seen here while its interface is in another network namespace
    let is_ours = |address: &IpAddr| UdpSocket::bind((*address, 0)).is_ok();
    if let Some(address) = { addresses }.find(is_ours) {
        return Ok(address);
    }
    match ports().any(|port| port.link_layer == LinkLayer::InfiniBand) {
        true => Ok(Ipv4Addr::LOCALHOST.into()),
        false => Err("no active RDMA port has an address; eos-rdma doctor lists them".to_owned()),
    }
}

/// The address that packets to `address` leave from. Nothing is sent.
pub fn local_address_towards(address: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr = match address {
        SocketAddr::V4(_) => [0, 0, 0, 0].into(),
        SocketAddr::V6(_) => [0u16; 8].into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(address)?;
    Ok(socket.local_addr()?.ip())
}

/// A stream to a daemon of this host. Processes of one host may be in different network namespaces:
/// then the abstract socket is not there.
pub fn shm_stream(to: &DaemonAddress) -> Result<UnixStream, String> {
    if to.boot_id.is_empty() || to.boot_id != boot_id() {
        return Err("another host".to_owned());
    }
    let unix_name = to.unix_name.as_deref().ok_or("it offers no shared memory")?;
    connect_abstract(unix_name).map_err(|_| "same host, another network namespace".to_owned())
}

fn connect_abstract(name: &str) -> io::Result<UnixStream> {
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
    UnixStream::connect_addr(&address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_takes_shm_then_rdma_then_tcp_and_keeps_the_reasons() {
        let no = |why: &str| Err(why.to_owned());
        let shm = best(Ok(()), || panic!("rdma is not asked for"));
        assert_eq!((shm.kind, shm.reason.as_str()), (TransportKind::Shm, "same host"));
        let rdma = best(no("another host"), || Ok(()));
        assert_eq!((rdma.kind, rdma.reason.as_str()), (TransportKind::Rdma, "another host, both have rdma"));
        let tcp = best(no("another host"), || no("there: libibverbs not found (x); install it"));
        assert_eq!(tcp.kind, TransportKind::Tcp);
        assert_eq!(tcp.reason, "another host, no rdma there: libibverbs not found");
    }

    #[test]
    fn a_transport_that_is_asked_for_and_missing_names_the_host_and_the_remedy() {
        let to = DaemonAddress {
            name: "b:1".to_owned(),
            address: "127.0.0.1:1".parse().expect("an address"),
            boot_id: "elsewhere".to_owned(),
            unix_name: None,
            rdma: Err("no RDMA device; load its driver".to_owned()),
        };
        let error = |choice| choose(&to, choice).expect_err("missing").to_string();
        assert!(error(TransportChoice::Rdma).starts_with("b:1 cannot be reached over rdma: "));
        assert!(error(TransportChoice::Rdma).contains("; "), "there is a remedy");
        assert_eq!(
            error(TransportChoice::Shm),
            "b:1 cannot be reached through shared memory: another host; use --transport auto"
        );
        assert_eq!(choose(&to, TransportChoice::Tcp).expect("always there").reason, "as asked for");
        assert_eq!(choose(&to, TransportChoice::Auto).expect("always something").kind, TransportKind::Tcp);
    }

    #[test]
    fn the_own_address_towards_loopback_is_loopback() {
        for address in ["127.0.0.1:9", "[::1]:9"] {
            let address: SocketAddr = address.parse().expect("an address");
            assert_eq!(local_address_towards(address).expect("a way"), address.ip());
        }
    }
}
