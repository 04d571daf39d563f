use super::*;
use crate::doctor::State;
use eos_verbs::TransportKind;
use eos_verbs::session::SessionError;
use std::net::TcpListener;

const HOST: &str = "10.0.0.2:7471";

fn spec(address: SocketAddr) -> HostSpec {
    HostSpec { host: address.ip().to_string(), port: address.port(), memory: None }
}

#[test]
fn a_host_that_fails_passes_what_comes_before() {
    let host = || HOST.to_owned();
    let source = || std::io::Error::other("x");
    let cases = [
        (ClusterError::Lookup { host: host(), source: source() }, vec!["address"]),
        (ClusterError::Down { host: host() }, vec!["reachable"]),
        (ClusterError::TimedOut { host: host() }, vec!["reachable"]),
        (ClusterError::NoKey { host: host() }, vec!["reachable", "key"]),
        (ClusterError::WrongKey { host: host() }, vec!["reachable", "key"]),
        (ClusterError::Session { host: host(), source: SessionError::NotEos }, vec!["reachable", "version"]),
        (ClusterError::Refused { host: host(), reason: "no".to_owned() }, vec!["reachable", "key", "version"]),
    ];
    for (error, names) in cases {
        let checks = refused(&error);
        assert_eq!(checks.iter().map(|check| check.name).collect::<Vec<_>>(), names, "{error}");
        let (last, passed) = checks.split_last().expect("one at least");
        assert!(last.state == State::Failed && last.found.contains(HOST), "{last:?}");
        assert!(passed.iter().all(|check| check.state == State::Ok), "{checks:?}");
    }
    let down = refused(&ClusterError::Down { host: host() });
    assert!(down[0].text().ends_with("start the daemon there with: eos-rdma serve --listen 10.0.0.2:7471"));
}

#[test]
fn hosts_that_are_down_are_called_at_the_same_time() {
    let free = || TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("an address");
    let hosts = [spec(free()), spec(free())];
    let sections = examine(&hosts, &ClusterKey::OPEN, TransportChoice::Auto);
    assert_eq!(sections.iter().map(|s| s.name.clone()).collect::<Vec<_>>(), hosts.each_ref().map(|h| h.to_string()));
    assert!(sections.iter().all(|section| section.checks[0].state == State::Failed), "{sections:?}");
}

#[test]
fn another_release_is_a_warning() {
    assert_eq!(release(env!("CARGO_PKG_VERSION")).state, State::Ok);
    let other = release("0.0.1");
    assert!(other.state == State::Warning && other.text().contains("same release"), "{other:?}");
}

#[test]
fn memory_is_compared_with_what_the_hosts_file_asks_for() {
    assert_eq!(memory(2 << 30, Some(1 << 30)).state, State::Ok);
    assert_eq!(memory(2 << 30, None).found, "2 GiB free");
    assert_eq!(memory(1 << 29, Some(1 << 30)).state, State::Warning);
    assert_eq!(memory(0, None).state, State::Failed);
}

#[test]
fn a_processor_that_lacks_something_serves_memory_only() {
    assert_eq!(processor(&[]).state, State::Ok);
    let lacking = processor(&["avx512f", "amx_tile"]);
    assert!(lacking.state == State::Warning && lacking.found.contains("memory only: it lacks avx512f, amx_tile"));
}

#[test]
fn the_transport_comes_with_its_reason_or_the_remedy() {
    let good = transport(Ok(Chosen { kind: TransportKind::Tcp, reason: "another host".to_owned() }));
    assert_eq!((good.state, good.found.as_str()), (State::Ok, "tcp (another host)"));
    let bad = transport(Err(ClusterError::NoShm { host: HOST.to_owned(), reason: "another host".to_owned() }));
    assert!(bad.state == State::Failed && bad.text().ends_with("use --transport auto"), "{bad:?}");
}

#[test]
fn a_slow_network_is_a_warning() {
    assert_eq!(round_trip(Some(Duration::from_micros(50))).found, "0.050 ms, median of 9");
    assert_eq!(round_trip(Some(Duration::from_millis(20))).state, State::Warning);
    assert_eq!(round_trip(None).state, State::Failed);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    assert!(median_round_trip(listener.local_addr().expect("an address")).is_some());
}
