use super::*;
use eos_verbs::rdma::{Gid, Limits};

fn port(state: PortState, link_layer: LinkLayer, addresses: &[&str]) -> Port {
    let gid = |(index, address): (usize, &&str)| Gid {
        index: index as u32,
        kind: GidKind::RoceV2,
        address: address.parse().expect("an address"),
        netdev: None,
    };
    let gids = addresses.iter().enumerate().map(gid).collect();
    Port { number: 1, state, active_mtu: 4096, link_layer, lid: 7, gids }
}

fn device(ports: Vec<Port>) -> Device {
    let limits = Limits {
        max_qp_wr: 1,
        max_cqe: 1,
        max_qp_rd_atom: 1,
        max_qp_init_rd_atom: 1,
        max_mr_size: 1,
        on_demand_paging: None,
    };
    Device { name: "mlx5_0".to_owned(), ports, limits }
}

fn summary(devices: Result<Vec<Device>, RdmaError>) -> Vec<(&'static str, State, String)> {
    checks_of(&devices, "ID=debian\n").into_iter().map(|check| (check.name, check.state, check.text())).collect()
}

#[test]
fn without_the_library_the_remedy_is_that_of_the_distribution() {
    let missing = Err(RdmaError::LibraryMissing { reason: "x".to_owned() });
    let (name, state, text) = summary(missing).swap_remove(0);
    assert_eq!((name, state), ("rdma", State::Warning));
    assert!(text.starts_with("libibverbs not found") && text.ends_with("apt install libibverbs1 ibverbs-providers"));
    let cases = [
        ("ID=ubuntu\nID_LIKE=debian", "apt"),
        ("NAME=x\nID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"", "dnf"),
        ("ID=opensuse-leap\nID_LIKE=\"suse opensuse\"", "zypper"),
        ("ID=arch", "rdma-core"),
        ("", "as your distribution calls it"),
    ];
    for (release, word) in cases {
        assert!(remedy(release).contains(word), "{release}");
    }
}

#[test]
fn no_device_is_a_warning_with_two_ways_out() {
    let (_, state, text) = summary(Err(RdmaError::NoDevice)).swap_remove(0);
    assert!(state == State::Warning && text.contains("driver") && text.ends_with("scripts/rxe-up"), "{text}");
}

#[test]
fn an_active_port_shows_address_gid_and_mtu() {
    let roce = port(PortState::Active, LinkLayer::Ethernet, &["::ffff:10.0.0.1", "fd00::1"]);
    let lines = summary(Ok(vec![device(vec![roce, port(PortState::Active, LinkLayer::InfiniBand, &[])])]));
    assert_eq!((lines[0].1, lines[0].2.as_str()), (State::Ok, "libibverbs found, mlx5_0"));
    let expected = "mlx5_0 port 1: active, RoCE v2 at 10.0.0.1 (GID 0), fd00::1 (GID 1), MTU 4096";
    assert_eq!((lines[1].1, lines[1].2.as_str()), (State::Ok, expected));
    assert_eq!(lines[2].2, "mlx5_0 port 1: active, InfiniBand, LID 7, MTU 4096");
    assert_eq!(lines[3].0, "locked memory");
}

#[test]
fn a_port_that_cannot_carry_data_says_what_helps() {
    let cases = [
        (port(PortState::Down, LinkLayer::Ethernet, &[]), "ip link set INTERFACE up"),
        (port(PortState::Init, LinkLayer::InfiniBand, &[]), "subnet manager, such as opensm"),
        (port(PortState::Active, LinkLayer::Ethernet, &[]), "an IP address"),
        (Port { active_mtu: 1024, ..port(PortState::Active, LinkLayer::Ethernet, &["fd00::1"]) }, "at both ends"),
    ];
    for (port, end) in cases {
        let check = of_port("rxe0", &port);
        assert_eq!(check.state, State::Warning, "{check:?}");
        assert!(check.text().ends_with(end), "{check:?}");
    }
    let down = summary(Ok(vec![device(vec![port(PortState::Down, LinkLayer::Ethernet, &[])])]));
    assert_eq!(down[0].1, State::Warning);
}
