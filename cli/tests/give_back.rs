//! One daemon, two runs one after the other, and memory for one of them at a time.

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/harness.rs"]
mod harness;

use std::path::Path;

use daemon::{Daemon, hosts_file};
use harness::{LIMIT, Program, Running, fixture, start, wait_until};

fn program(mib: u32, awaited: &Path) -> Program {
    Program::new(fixture("breathes"), &[&mib.to_string(), awaited.to_str().expect("a path")])
}

/// Bytes that nobody holds, as the daemon tells a stranger.
fn free(address: &str) -> u64 {
    use eos_jumper::cluster::messages::{PROTOCOL_VERSION, RunReply};
    use eos_verbs::NodeId;
    use eos_verbs::session::{self, ClusterKey, Hello, Purpose};
    let mut stream = std::net::TcpStream::connect(address).expect("it listens");
    let hello = Hello { version: PROTOCOL_VERSION, run_id: [7; 16], from: NodeId::HOME, purpose: Purpose::Probe };
    let welcome = session::initiate(&mut stream, &ClusterKey::OPEN, &hello).expect("welcome");
    postcard::from_bytes::<RunReply>(&welcome.payload).expect("a reply").memory_bytes
}

fn two_runs(options: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let daemon = Daemon::local("192M", None);
    let hosts = hosts_file(folder.path(), &[&daemon.address]);
    let go_on = folder.path().join("go on");
    let json = folder.path().join("stats.json");
    let all = format!("--peers {} --memory 16M {options} --stats-json {}", hosts.display(), json.display());
    let first: Running = start(&mut program(120, &go_on).under_eos(&all));
    wait_until("the first run has two slabs", LIMIT, || free(&daemon.address) == 64 << 20);
    // It keeps one for cold pages of its own.
    wait_until("the first run has given one back", LIMIT, || free(&daemon.address) >= 128 << 20);
    let second = program(120, Path::new("/")).run(&format!("--peers {} --memory 16M {options}", hosts.display()));
    assert_eq!(second.status, 0, "{options}: {}", second.stderr);
    wait_until("the second run's worker is gone", LIMIT, || free(&daemon.address) >= 128 << 20);
    std::fs::write(&go_on, "").expect("written");
    let first = first.finish(LIMIT);
    assert_eq!(first.status, 0, "{options}: {}", first.stderr);
    let native = program(120, Path::new("/")).natively().field("result");
    assert_eq!((first.field("result"), second.field("result")), (native.clone(), native), "{options}");
    let stats: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&json).expect("written")).expect("JSON");
    assert!(stats["given_back_bytes"].as_u64() >= Some(64 << 20), "{stats}");
    let process = daemon.process;
    // SAFETY: a system call without pointers, on a process that this test has started.
    unsafe { libc::kill(process.pid().cast_signed(), libc::SIGTERM) };
    let log = process.finish(LIMIT).stderr;
    assert!(log.contains("MiB back, holds"), "{log}");
}

#[test]
fn what_a_run_does_not_need_any_more_the_next_one_gets_over_shm() {
    two_runs("--jump never");
}

#[test]
fn what_a_run_does_not_need_any_more_the_next_one_gets_over_tcp() {
    two_runs("--transport tcp --jump never");
}

#[test]
fn what_a_run_does_not_need_any_more_the_next_one_gets_while_they_jump() {
    two_runs("--jump 64");
}

#[test]
fn what_a_run_does_not_need_any_more_the_next_one_gets_from_where_it_waits() {
    two_runs("--jump auto");
}
