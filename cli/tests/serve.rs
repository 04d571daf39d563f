//! The daemon: who comes in, what a run leaves behind.

mod common;

use common::{Daemon, LIMIT, is_alive, key_file, kill, lease_all, options, wait_until};
use eos_jumper::cluster::messages::{PROTOCOL_VERSION, RunReply};
use eos_jumper::cluster::stretch::Cluster;
use eos_jumper::cluster::watchdog::Watchdog;
use eos_verbs::session::{self, ClusterKey, Hello, Purpose, SessionError, Welcome};
use eos_verbs::{ChannelKind, NodeId, PAGE, TransportChoice, TransportKind};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::{Duration, Instant};

fn call_as(daemon: &Daemon, key: &ClusterKey, version: u16, purpose: Purpose) -> Result<Welcome, SessionError> {
    let mut stream = TcpStream::connect(daemon.address).expect("it listens");
    let hello = Hello { version, run_id: [7; 16], from: NodeId::HOME, purpose };
    session::initiate(&mut stream, key, &hello)
}

fn call(daemon: &Daemon, key: &ClusterKey, purpose: Purpose) -> Result<Welcome, SessionError> {
    call_as(daemon, key, PROTOCOL_VERSION, purpose)
}

fn free_memory(daemon: &Daemon, key: &ClusterKey) -> u64 {
    let welcome = call(daemon, key, Purpose::Probe).expect("welcome");
    let reply: RunReply = postcard::from_bytes(&welcome.payload).expect("a reply");
    reply.memory_bytes
}

fn connect_error(daemon: &Daemon, key: &ClusterKey) -> String {
    let options = options(key, TransportChoice::Auto);
    let outcome = Cluster::connect(&[daemon.spec()], &options);
    outcome.err().expect("refused").to_string()
}

#[test]
fn a_probe_learns_what_the_host_offers() {
    let folder = tempfile::tempdir().expect("a folder");
    let (key, file) = key_file(&folder);
    let daemon = Daemon::start("128M", Some(&file));
    let welcome = call(&daemon, &key, Purpose::Probe).expect("welcome");
    assert_eq!(welcome.boot_id, eos_jumper::cluster::host::boot_id());
    assert!(welcome.unix_name.is_some());
    assert_eq!(free_memory(&daemon, &key), 128 << 20);
}

#[test]
fn a_wrong_or_missing_key_is_refused_with_the_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_, file) = key_file(&folder);
    let daemon = Daemon::start("64M", Some(&file));
    let wrong = connect_error(&daemon, &ClusterKey::from([1; 32]));
    assert!(wrong.contains("another cluster key") && wrong.contains("127.0.0.1"), "{wrong}");
    let none = connect_error(&daemon, &ClusterKey::OPEN);
    assert!(none.contains("none was given; use --key"), "{none}");
    daemon.wait_for_log("another cluster key");
}

#[test]
fn an_old_version_is_told_apart_from_a_wrong_key() {
    let daemon = Daemon::start("64M", None);
    let mut old = TcpStream::connect(daemon.address).expect("it listens");
    old.write_all(b"EOSRDMA\0").expect("written");
    let mut answer = Vec::new();
    old.set_read_timeout(Some(LIMIT)).expect("a limit");
    let _ = old.read_to_end(&mut answer);
    assert_eq!(answer[..8], *b"EOSRDMA\x01");
    daemon.wait_for_log("version 0");
    let refused = call_as(&daemon, &ClusterKey::OPEN, 99, Purpose::Probe).expect_err("refused");
    assert!(refused.to_string().contains("same release of eos-rdma"), "{refused}");
}

#[test]
fn strangers_and_silent_callers_do_not_keep_others_out() {
    let daemon = Daemon::start("64M", None);
    let _silent: Vec<_> = (0..20).map(|_| TcpStream::connect(daemon.address).expect("it listens")).collect();
    let mut stranger = TcpStream::connect(daemon.address).expect("it listens");
    stranger.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("written");
    let begin = Instant::now();
    assert_eq!(free_memory(&daemon, &ClusterKey::OPEN), 64 << 20);
    assert!(begin.elapsed() < Duration::from_secs(4));
    daemon.wait_for_log("not eos-rdma");
}

#[test]
fn a_channel_for_an_unknown_run_is_refused() {
    let daemon = Daemon::start("64M", None);
    let kind = ChannelKind::Msg;
    let refused = call(&daemon, &ClusterKey::OPEN, Purpose::Channel { kind }).expect_err("refused");
    assert!(refused.to_string().contains("no worker for this run"), "{refused}");
    let payload = vec![0xff; 3];
    let refused = call(&daemon, &ClusterKey::OPEN, Purpose::Run { payload }).expect_err("refused");
    assert!(refused.to_string().contains("makes no sense"), "{refused}");
}

#[test]
fn a_daemon_that_is_down_is_named_with_the_remedy() {
    let daemon = Daemon::start("64M", None);
    let spec = daemon.spec();
    drop(daemon);
    let options = options(&ClusterKey::OPEN, TransportChoice::Auto);
    let error = Cluster::connect(std::slice::from_ref(&spec), &options).err().expect("refused");
    assert_eq!(
        error.to_string(),
        format!("{spec} refuses connections; start the daemon there with: eos-rdma serve --listen {spec}")
    );
}

#[test]
fn a_run_has_a_worker_and_its_end_gives_the_memory_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let (key, file) = key_file(&folder);
    let daemon = Daemon::start("128M", Some(&file));
    let mut first = Cluster::connect(&[daemon.spec()], &options(&key, TransportChoice::Auto)).expect("joined");
    let pid = daemon.worker_pid();
    assert!(is_alive(pid));
    assert_eq!(first.peers[0].memory_bytes, 128 << 20);
    assert_eq!(lease_all(&mut first), (128 << 20) / PAGE as u64);
    assert_eq!(free_memory(&daemon, &key), 0);
    let full = connect_error(&daemon, &key);
    assert!(full.contains("no memory left") && full.contains("--memory"), "{full}");
    drop(first);
    wait_until("the worker is gone", || !is_alive(pid));
    assert!(daemon.wait_for_log("ended after").contains("held 128 MiB, home was gone"));
    assert_eq!(free_memory(&daemon, &key), 128 << 20);
}

#[test]
fn the_hosts_file_limits_what_a_worker_takes() {
    let daemon = Daemon::start("256M", None);
    let mut spec = daemon.spec();
    spec.memory = Some(96 << 20);
    let options = options(&ClusterKey::OPEN, TransportChoice::Tcp);
    let mut cluster = Cluster::connect(&[spec], &options).expect("joined");
    assert_eq!(cluster.peers[0].memory_bytes, 96 << 20);
    assert_eq!(lease_all(&mut cluster), (96 << 20) / PAGE as u64);
    // two slabs of 64 MiB, the second used in part
    assert_eq!(free_memory(&daemon, &ClusterKey::OPEN), 128 << 20);
}

#[test]
fn home_hears_at_once_that_a_worker_has_died() {
    for transport in [TransportChoice::Shm, TransportChoice::Tcp] {
        let daemon = Daemon::start("64M", None);
        let options = options(&ClusterKey::OPEN, transport);
        let cluster = Cluster::connect(&[daemon.spec()], &options).expect("joined");
        let (tell, told) = mpsc::channel();
        let callback = move |name: &str, _: Option<String>| tell.send(name.to_owned()).expect("a listener");
        let watched = cluster.watched().expect("descriptors");
        Watchdog::start(watched, callback).expect("a thread");
        assert!(told.recv_timeout(Duration::from_millis(50)).is_err());
        kill(daemon.worker_pid(), libc::SIGKILL);
        assert_eq!(told.recv_timeout(LIMIT).expect("told"), daemon.spec().to_string());
        daemon.wait_for_log("signal: 9");
    }
}

#[test]
fn after_sigterm_or_sigkill_nothing_of_the_daemon_is_left() {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGKILL] {
        let mut daemon = Daemon::start("64M", None);
        let options = options(&ClusterKey::OPEN, TransportChoice::Auto);
        let _cluster = Cluster::connect(&[daemon.spec()], &options).expect("joined");
        let pid = daemon.worker_pid();
        daemon.signal(signal);
        let status = daemon.process.wait().expect("it ends");
        assert_eq!(status.success(), signal != libc::SIGKILL, "{status}");
        wait_until("the worker is gone", || !is_alive(pid));
    }
}

#[test]
fn three_nodes_are_linked_by_every_transport() {
    let cases = [
        (TransportChoice::Auto, TransportKind::Shm),
        (TransportChoice::Tcp, TransportKind::Tcp),
        (TransportChoice::Shm, TransportKind::Shm),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    let (key, file) = key_file(&folder);
    let daemons = [(); 3].map(|()| Daemon::start("64M", Some(&file)));
    let hosts = daemons.each_ref().map(Daemon::spec);
    for (choice, expected) in cases {
        let mut cluster = Cluster::connect(&hosts, &options(&key, choice)).expect("joined");
        for (peer, link) in cluster.peers.iter().zip(cluster.links.iter_mut().skip(1)) {
            let link = link.as_mut().expect("a link");
            assert_eq!((peer.transport, link.transport()), (expected, expected));
            assert!(!peer.memory_only());
            let page = [peer.node.0; PAGE];
            link.post_write(8 * PAGE as u64, &page).expect("written");
            link.flush().expect("placed");
            assert_eq!(link.read(8 * PAGE as u64, PAGE).expect("read"), page);
        }
        drop(cluster);
        for daemon in &daemons {
            wait_until("the memory is free again", || free_memory(daemon, &key) == 64 << 20);
        }
    }
}

#[test]
fn a_host_named_twice_is_refused() {
    let daemon = Daemon::start("128M", None);
    let mut twin = daemon.spec();
    twin.host = "localhost".to_owned();
    let options = options(&ClusterKey::OPEN, TransportChoice::Auto);
    let error = Cluster::connect(&[daemon.spec(), twin], &options).err().expect("refused");
    assert!(error.to_string().contains("name each host once"), "{error}");
}
