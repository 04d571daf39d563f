//! The port of this node that a link goes through, and how the two ends find each other's queue pairs.

use std::net::{IpAddr, TcpStream};
use std::sync::Arc;

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::devices::{Device, GidKind, LinkLayer, Port, PortState, devices};
use super::domain::Domain;
use super::error::RdmaError;

/// A port of a device of this node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortChoice {
    /// Name of the device, such as `mlx5_0`.
    pub device: String,
    /// Number of the port, from 1.
    pub port: u8,
}

/// Whether this end could carry the link whose control connection is `control` over RDMA, and through which port: the active one
/// that has the connection's local address as a RoCE v2 GID, else the first active InfiniBand port.
///
/// # Errors
/// `LibraryMissing`, `NoDevice`, `Device`, `NoPort`, `PortDown`: the reason why not, as a sentence.
pub fn usable_for(control: &TcpStream) -> Result<PortChoice, RdmaError> {
    // a connection that has ended has no address: nothing fits
    usable_at(control.local_addr().map_or(IpAddr::from([0, 0, 0, 0]), |address| address.ip()))
}

/// As [`usable_for`], for a connection that has the address `local` at this end.
///
/// # Errors
/// As [`usable_for`].
pub fn usable_at(local: IpAddr) -> Result<PortChoice, RdmaError> {
    choose(&devices()?, local)
}

fn choose(devices: &[Device], local: IpAddr) -> Result<PortChoice, RdmaError> {
    let address = local.to_canonical();
    let ports = || devices.iter().flat_map(|device| device.ports.iter().map(move |port| (device, port)));
    let choice = |(device, port): (&Device, &Port)| PortChoice { device: device.name.clone(), port: port.number };
    if let Some((device, port)) = ports().find(|(_, port)| gid_for(port, Some(address)).is_some()) {
        if port.state != PortState::Active {
            return Err(RdmaError::PortDown { device: device.name.clone(), port: port.number });
        }
        return Ok(choice((device, port)));
    }
    let fabric = |(_, port): &(&Device, &Port)| {
        port.link_layer == LinkLayer::InfiniBand && port.state == PortState::Active && port.lid != 0
    };
    ports().find(fabric).map(choice).ok_or(RdmaError::NoPort { address })
}

/// Index and bytes of the RoCE v2 GID that is `address`, or of any when there is none given.
fn gid_for(port: &Port, address: Option<IpAddr>) -> Option<(u32, [u8; 16])> {
    let mut usable =
        port.gids.iter().filter(|gid| gid.kind == GidKind::RoceV2 && port.link_layer == LinkLayer::Ethernet);
    let gid = match address {
        Some(address) => usable.find(|gid| gid.ip() == address)?,
        None => usable.next()?,
    };
    Some((gid.index, gid.address.octets()))
}

/// The port a link goes through.
pub(super) struct LocalPort {
    pub(super) domain: Arc<Domain>,
    number: u8,
    address: IpAddr,
}

/// What a port is like at this moment.
#[derive(Clone, Copy)]
pub(super) struct PortNow {
    pub(super) number: u8,
    pub(super) gid_index: u8,
    pub(super) ethernet: bool,
    gid: [u8; 16],
    lid: u16,
    /// As ibv_modify_qp(3) counts: 1 is 256 bytes, 5 is 4096.
    pub(super) mtu: u8,
}

impl LocalPort {
    /// # Errors
    /// As [`usable_for`].
    pub(super) fn of(control: &TcpStream, choice: Option<PortChoice>) -> Result<LocalPort, RdmaError> {
        let choice = match choice {
            Some(choice) => choice,
            None => usable_for(control)?,
        };
        let address = control.local_addr().map_or(IpAddr::from([0, 0, 0, 0]), |address| address.ip().to_canonical());
        Ok(LocalPort { domain: Domain::on(&choice.device)?, number: choice.port, address })
    }

    /// The address of this end of the control connection.
    pub(super) fn address(&self) -> IpAddr {
        self.address
    }

    /// Looks at the port again: after a link went down and up, its addresses may have other numbers.
    ///
    /// # Errors
    /// `Device`, `NoPort`, `PortDown`.
    pub(super) fn look(&self) -> Result<PortNow, RdmaError> {
        let device = self.domain.describe()?;
        let no_port = || RdmaError::NoPort { address: self.address };
        let port = device.ports.iter().find(|port| port.number == self.number).ok_or_else(no_port)?;
        if port.state != PortState::Active {
            return Err(RdmaError::PortDown { device: device.name.clone(), port: port.number });
        }
        let mtu = (port.active_mtu.ilog2() - 7) as u8;
        let now = PortNow { number: self.number, gid_index: 0, ethernet: false, gid: [0; 16], lid: port.lid, mtu };
        if port.link_layer == LinkLayer::InfiniBand {
            return Ok(now);
        }
        let (index, gid) = gid_for(port, Some(self.address)).or_else(|| gid_for(port, None)).ok_or_else(no_port)?;
        Ok(PortNow { gid_index: u8::try_from(index).map_err(|_| no_port())?, ethernet: true, gid, ..now })
    }
}

/// Where a queue pair is found, as the ends tell each other.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Address {
    gid: [u8; 16],
    number: U32,
    psn: U32,
    lid: U16,
    mtu: u8,
    ethernet: u8,
}

/// The way from a queue pair of ours to one of the peer's.
pub(super) struct Path {
    pub(super) port: PortNow,
    pub(super) gid: [u8; 16],
    pub(super) lid: u16,
    pub(super) mtu: u8,
    pub(super) number: u32,
    pub(super) psn: u32,
}

impl Address {
    pub(super) fn new(port: &PortNow, number: u32, psn: u32) -> Address {
        let (number, psn, lid) = (U32::new(number), U32::new(psn), U16::new(port.lid));
        Address { gid: port.gid, number, psn, lid, mtu: port.mtu, ethernet: port.ethernet.into() }
    }

    /// The way there through `port`, with the packet size that both ends take; `None` when they are not on one network.
    pub(super) fn path(&self, port: PortNow) -> Option<Path> {
        if self.ethernet != u8::from(port.ethernet) || !(1..=5).contains(&self.mtu) {
            return None;
        }
        let mtu = self.mtu.min(port.mtu);
        let (number, psn) = (self.number.get() & 0xff_ffff, self.psn.get() & 0xff_ffff);
        Some(Path { port, gid: self.gid, lid: self.lid.get(), mtu, number, psn })
    }
}

/// A packet sequence number to start from (24 bits).
pub(super) fn random_psn() -> u32 {
    let mut bytes = [0; 4];
    // a number that is easy to guess does no harm on a network that is trusted
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::NONBLOCK);
    u32::from_le_bytes(bytes) & 0xff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdma::devices::{Gid, Limits};

    fn port(link_layer: LinkLayer, state: PortState, addresses: &[&str]) -> Port {
        let gid = |(index, address): (usize, &&str)| {
            let address: IpAddr = address.parse().expect("an address");
            let address = match address {
                IpAddr::V4(v4) => v4.to_ipv6_mapped(),
                IpAddr::V6(v6) => v6,
            };
            // each address is there for both protocols, as in a real table
            [GidKind::RoceV1, GidKind::RoceV2].map(|kind| {
                let index = 2 * index as u32 + u32::from(kind == GidKind::RoceV2);
                Gid { index, kind, address, netdev: None }
            })
        };
        let gids = addresses.iter().enumerate().flat_map(gid).collect();
        Port { number: 1, state, active_mtu: 1024, link_layer, lid: 7, gids }
    }

    fn device(name: &str, port: Port) -> Device {
        let limits = Limits {
            max_qp_wr: 1,
            max_cqe: 1,
            max_qp_rd_atom: 1,
            max_qp_init_rd_atom: 1,
            max_mr_size: 1,
            on_demand_paging: None,
        };
        Device { name: name.into(), ports: vec![port], limits }
    }

    #[test]
    fn the_port_is_the_one_with_the_address_of_the_connection() {
        let a = device("a", port(LinkLayer::Ethernet, PortState::Active, &["fe80::1", "10.0.0.1"]));
        let b = device("b", port(LinkLayer::Ethernet, PortState::Active, &["fe80::2", "10.0.0.2", "fd00::2"]));
        let down = device("c", port(LinkLayer::Ethernet, PortState::Down, &["10.0.0.3"]));
        let all = [a.clone(), b, down];
        let choose = |address: &str| choose(&all, address.parse().expect("an address"));
        assert_eq!(choose("10.0.0.1").expect("found").device, "a");
        assert_eq!(choose("::ffff:10.0.0.2").expect("found").device, "b");
        assert_eq!(choose("fd00::2").expect("found").device, "b");
        assert!(matches!(choose("10.0.0.3"), Err(RdmaError::PortDown { .. })));
        let refused = choose("127.0.0.1").expect_err("no port");
        assert!(refused.to_string().contains("127.0.0.1"), "{refused}");
        assert_eq!(gid_for(&a.ports[0], Some("10.0.0.1".parse().expect("an address"))).expect("there").0, 3);
    }

    #[test]
    fn without_such_an_address_the_first_active_fabric_port_is_taken() {
        let roce = device("a", port(LinkLayer::Ethernet, PortState::Active, &["10.0.0.1"]));
        let idle = device("b", port(LinkLayer::InfiniBand, PortState::Init, &[]));
        let fabric = device("c", port(LinkLayer::InfiniBand, PortState::Active, &[]));
        let chosen = choose(&[roce, idle, fabric], "192.168.0.1".parse().expect("an address"));
        assert_eq!(chosen.expect("found").device, "c");
    }

    #[test]
    fn the_smaller_packet_size_of_both_ends_is_used() {
        let now = |mtu, ethernet| PortNow { number: 1, gid_index: 0, ethernet, gid: [1; 16], lid: 3, mtu };
        let (small, large) = (now(3, true), now(5, true));
        assert_eq!(Address::new(&small, 1, 2).path(large).expect("one network").mtu, 3);
        assert_eq!(Address::new(&large, 1, 2).path(small).expect("one network").mtu, 3);
        assert!(Address::new(&small, 1, 2).path(now(3, false)).is_none());
    }
}
