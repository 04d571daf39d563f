//! A daemon that needs its memory asks for it, and gets it while the program goes on.

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/harness.rs"]
mod harness;

use std::process::Command;
use std::time::{Duration, Instant};

use daemon::{Daemon, hosts_file, key_file, offered};
use eos_jumper::cluster::hosts::parse_address;
use eos_jumper::cluster::messages::Order;
use eos_jumper::cluster::order::Operator;
use eos_verbs::session::ClusterKey;
use harness::{EXE, LIMIT, Outcome, Program, Running, fixture, start, wait_until};

const MIB: u64 = 1 << 20;

/// Runs `eos-rdma lend`.
fn lend(daemon: &Daemon, words: &str) -> Outcome {
    let mut command = Command::new(EXE);
    command.args(["lend", "--daemon", &daemon.address]).args(words.split_whitespace());
    start(&mut command).finish(LIMIT)
}

/// Bytes that a daemon has lent.
fn lent(daemon: &Daemon) -> u64 {
    let (host, port) = parse_address(&daemon.address).expect("an address");
    let operator = Operator::of(&host, port, &daemon.address, ClusterKey::OPEN).expect("known");
    operator.order(Order::Tell).expect("an answer").lent
}

/// Looks now and then only: each look is a call.
fn wait_long(what: &str, mut condition: impl FnMut() -> bool) {
    wait_until(what, LIMIT, || {
        std::thread::sleep(Duration::from_millis(100));
        condition()
    });
}

struct Scene {
    daemons: Vec<Daemon>,
    run: Running,
    go_on: std::path::PathBuf,
    json: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

/// `keeps` of so many MiB over daemons with so much memory each, until the first has lent `wanted` bytes.
fn scene(mib: u32, threads: &str, daemons: &[&str], options: &str, wanted: u64) -> Scene {
    let folder = tempfile::tempdir().expect("a folder");
    let daemons: Vec<Daemon> = daemons.iter().map(|memory| Daemon::local(memory, None)).collect();
    let addresses: Vec<&str> = daemons.iter().map(|daemon| daemon.address.as_str()).collect();
    let hosts = hosts_file(folder.path(), &addresses);
    let (go_on, json) = (folder.path().join("go on"), folder.path().join("stats.json"));
    let program = Program::new(fixture("keeps"), &[&mib.to_string(), go_on.to_str().expect("a path"), threads]);
    let all = format!("--peers {} {options} --stats-json {}", hosts.display(), json.display());
    let run = start(&mut program.under_eos(&all));
    wait_long("the first daemon has lent much", || lent(&daemons[0]) >= wanted);
    Scene { daemons, run, go_on, json, _folder: folder }
}

impl Scene {
    /// The program ends, and has found nothing wrong.
    fn end(self, mib: u64) -> serde_json::Value {
        std::fs::write(&self.go_on, "").expect("written");
        let outcome = self.run.finish(LIMIT);
        assert_eq!(outcome.status, 0, "{}", outcome.stderr);
        assert_eq!(outcome.field("result"), (mib << 8).to_string());
        serde_json::from_str(&std::fs::read_to_string(&self.json).expect("written")).expect("JSON")
    }
}

fn log_of(daemon: Daemon) -> String {
    let process = daemon.process;
    harness::kill(process.pid(), libc::SIGTERM);
    process.finish(LIMIT).stderr
}

fn all_comes_back(options: &str, threads: &str) {
    let mut scene = scene(150, threads, &["192M", "256M"], &format!("--memory 32M {options}"), 128 * MIB);
    // Where execution stays at home all that is lent fills. Where it jumps the pages may be resident on the peer, and not in what it lends.
    if options.contains("never") {
        wait_long("pages are there", || offered(&scene.daemons[0]) > 60 * MIB);
    }
    let begin = Instant::now();
    let outcome = lend(&scene.daemons[0], "--memory 0");
    let took = begin.elapsed();
    assert_eq!(outcome.status, 0, "{options}: {} {}", outcome.stdout(), outcome.stderr);
    assert!(outcome.stdout().contains("came back in"), "{}", outcome.stdout());
    assert!(took < Duration::from_secs(40), "{took:?}");
    assert_eq!(lent(&scene.daemons[0]), 0);
    assert!(offered(&scene.daemons[0]) < 4 * MIB, "the memory is the kernel's again");
    assert!(lent(&scene.daemons[1]) >= 64 * MIB, "{options}: the other one holds it now");
    // It lends again when it may.
    assert_eq!(lend(&scene.daemons[0], "--memory all").status, 0);
    let first = scene.daemons.remove(0);
    let stats = scene.end(150);
    // The statistics are not those of forked children.
    if threads != "0" {
        assert!(stats["asked_back_bytes"].as_u64() >= Some(128 * MIB), "{stats}");
        assert!(stats["asked_back_s"].as_f64() > Some(0.0), "{stats}");
    }
    let log = log_of(first);
    assert!(log.contains("wants") && log.contains("has its"), "{log}");
}

#[test]
fn a_daemon_gets_all_its_memory_back_over_shm() {
    all_comes_back("--jump never", "1");
}

#[test]
fn a_daemon_gets_all_its_memory_back_over_tcp() {
    all_comes_back("--transport tcp --jump never", "1");
}

#[test]
fn a_daemon_gets_all_its_memory_back_while_the_program_jumps() {
    all_comes_back("--jump 256", "1");
    all_comes_back("--transport tcp --jump auto", "1");
}

#[test]
fn a_daemon_gets_all_its_memory_back_from_a_program_with_threads() {
    all_comes_back("--jump 512", "4");
}

#[test]
fn a_daemon_gets_all_its_memory_back_from_a_forked_child() {
    all_comes_back("--jump never", "0");
    all_comes_back("--transport tcp --jump never", "0");
}

#[test]
fn a_part_comes_back_and_the_rest_is_used_on() {
    let scene = scene(150, "1", &["192M", "256M"], "--memory 32M --jump 256", 128 * MIB);
    let outcome = lend(&scene.daemons[0], "--memory 64M");
    assert_eq!(outcome.status, 0, "{} {}", outcome.stdout(), outcome.stderr);
    assert_eq!(lent(&scene.daemons[0]), 64 * MIB);
    scene.end(150);
}

#[test]
fn where_nobody_has_room_the_operator_and_the_log_say_so_and_the_run_goes_on() {
    let mut scene = scene(150, "1", &["192M"], "--memory 32M --jump never", 128 * MIB);
    let outcome = lend(&scene.daemons[0], "--memory 0");
    assert_eq!(outcome.status, 1, "{} {}", outcome.stdout(), outcome.stderr);
    assert!(outcome.stdout().contains("stay lent: neither"), "{}", outcome.stdout());
    let daemon = scene.daemons.remove(0);
    scene.end(150);
    let log = log_of(daemon);
    assert!(log.contains("cannot give") && log.contains("nothing is lost"), "{log}");
}

#[test]
fn a_daemon_that_keeps_memory_free_asks_by_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let address = daemon::free_address();
    let mut command = Command::new(EXE);
    // No machine has so much: all that was lent is asked back at once, and nothing is lent.
    command.args(["serve", "--listen", &address, "--memory", "192M", "--keep-free", "1000T"]);
    let process = start(&mut command);
    let daemon = Daemon { process, address };
    wait_until("it listens", LIMIT, || std::net::TcpStream::connect(&daemon.address).is_ok());
    let hosts = hosts_file(folder.path(), &[&daemon.address]);
    let program = Program::new(fixture("keeps"), &["40", "/"]);
    let outcome = program.run(&format!("--peers {} --memory 16M", hosts.display()));
    assert_eq!(outcome.status, 125, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("lends no memory at present"), "{}", outcome.stderr);
}

#[test]
fn only_who_has_the_key_gives_orders() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = key_file(folder.path(), "key");
    let daemon = Daemon::local("64M", Some(&key));
    let refused = lend(&daemon, "--memory 0");
    assert_eq!(refused.status, 125, "{}", refused.stdout());
    assert!(refused.stderr.contains("--key"), "{}", refused.stderr);
    let good = lend(&daemon, &format!("--memory 32M --key {}", key.display()));
    assert_eq!(good.status, 0, "{}", good.stderr);
    assert!(good.stdout().contains("lends at most"), "{}", good.stdout());
}
