//! What this machine has for RDMA: library, devices, ports, addresses.

use super::{Check, State, machine};
use crate::cluster::host::lockable_bytes;
use eos_verbs::TransportChoice;
use eos_verbs::rdma::{self, Device, GidKind, LinkLayer, Port, PortState, RdmaError};

/// A page and its headers in one packet.
const MTU_GOOD: u32 = 4096;

/// The checks. Without RDMA runs still work over tcp and shm, so nothing here fails unless rdma is asked for.
pub fn examine(choice: TransportChoice) -> Vec<Check> {
    let distribution = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let mut checks = checks_of(&rdma::devices(), &distribution);
    if choice == TransportChoice::Rdma {
        let missing = |check: &&mut Check| check.state == State::Warning && check.name == NAME;
        checks.iter_mut().filter(missing).for_each(|check| check.state = State::Failed);
    }
    checks
}

const NAME: &str = "rdma";

fn checks_of(devices: &Result<Vec<Device>, RdmaError>, distribution: &str) -> Vec<Check> {
    let (mut checks, present) = match devices {
        Ok(devices) => (of_devices(devices), true),
        Err(RdmaError::LibraryMissing { .. }) => (
            vec![Check::warning(NAME, "libibverbs not found, so there is only tcp and shm", remedy(distribution))],
            false,
        ),
        Err(RdmaError::NoDevice) => {
            let remedy = "load the driver of the adapter, or make a soft-RoCE device with scripts/rxe-up";
            (vec![Check::warning(NAME, "libibverbs found, no device, so there is only tcp and shm", remedy)], false)
        }
        Err(error) => {
            let failed = Check::failed_with(NAME, &error.to_string());
            (vec![Check { state: State::Warning, ..failed }], true)
        }
    };
    checks.push(machine::locked_memory(lockable_bytes(), present));
    checks
}

/// The package of each family of distributions, by ID and ID_LIKE of os-release(5).
fn remedy(os_release: &str) -> &'static str {
    let value = |key: &str| {
        let line = os_release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches('"').to_owned()
    };
    let families = format!("{} {}", value("ID"), value("ID_LIKE"));
    let is = |names: &[&str]| families.split_whitespace().any(|family| names.contains(&family));
    if is(&["debian", "ubuntu"]) {
        "for rdma: apt install libibverbs1 ibverbs-providers"
    } else if is(&["fedora", "rhel", "centos"]) {
        "for rdma: dnf install libibverbs"
    } else if is(&["suse", "opensuse"]) {
        "for rdma: zypper install libibverbs1 rdma-core"
    } else if is(&["arch", "alpine"]) {
        "for rdma: install the package rdma-core"
    } else {
        "for rdma: install libibverbs1 and ibverbs-providers, or rdma-core, as your distribution calls it"
    }
}

/// One line for the whole and one for each port.
fn of_devices(devices: &[Device]) -> Vec<Check> {
    let ports: Vec<_> = devices.iter().flat_map(|d| d.ports.iter().map(|port| of_port(&d.name, port))).collect();
    let active = devices.iter().flat_map(|device| &device.ports).any(usable);
    let names = devices.iter().map(|device| device.name.as_str()).collect::<Vec<_>>().join(", ");
    let library = match active {
        true => Check::ok(NAME, format!("libibverbs found, {names}")),
        false => Check::warning(NAME, format!("{names}: no port can carry data"), "see the lines of the ports"),
    };
    std::iter::once(library).chain(ports).collect()
}

fn usable(port: &Port) -> bool {
    port.state == PortState::Active && (port.link_layer == LinkLayer::InfiniBand || !addresses(port).is_empty())
}

fn of_port(device: &str, port: &Port) -> Check {
    const PORT: &str = "rdma port";
    let (mtu, name) = (port.active_mtu, format!("{device} port {}", port.number));
    match (port.state, port.link_layer, addresses(port)) {
        (PortState::Active, LinkLayer::InfiniBand, _) => {
            Check::ok(PORT, format!("{name}: active, InfiniBand, LID {}, MTU {mtu}", port.lid))
        }
        (PortState::Active, LinkLayer::Ethernet, none) if none.is_empty() => Check::warning(
            PORT,
            format!("{name}: active, but no GID for RoCE v2"),
            "give its network interface an IP address",
        ),
        (PortState::Active, LinkLayer::Ethernet, gids) => {
            let found = format!("{name}: active, RoCE v2 at {gids}, MTU {mtu}");
            let remedy = "a page takes several packets; set an MTU of 4300 or more on the interface, at both ends";
            if mtu < MTU_GOOD { Check::warning(PORT, found, remedy) } else { Check::ok(PORT, found) }
        }
        (PortState::Init | PortState::Armed, ..) => {
            Check::warning(PORT, format!("{name}: not configured yet"), "start a subnet manager, such as opensm")
        }
        _ => Check::warning(PORT, format!("{name}: down"), "check the cable, and: ip link set INTERFACE up"),
    }
}

/// The addresses of a RoCE v2 port with the indices of their GIDs.
fn addresses(port: &Port) -> String {
    let usable = port.gids.iter().filter(|gid| gid.kind == GidKind::RoceV2);
    usable.map(|gid| format!("{} (GID {})", gid.ip(), gid.index)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[path = "rdma_tests.rs"]
mod tests;
