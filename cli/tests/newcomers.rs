//! Peers are added to a running program, and taken away.

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/harness.rs"]
mod harness;

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use daemon::{Daemon, free_address, hosts_file};
use harness::{EXE, LIMIT, Outcome, Program, Running, children, fixture, start, wait_until};

/// `keeps` over one daemon that is too small for it in the end.
struct Scene {
    first: Daemon,
    run: Running,
    folder: tempfile::TempDir,
    mib: u64,
}

impl Scene {
    fn new(mib: u64, threads: &str, memory: &str, options: &str) -> Scene {
        let folder = tempfile::tempdir().expect("a folder");
        let first = Daemon::local(memory, None);
        let hosts = hosts_file(folder.path(), &[&first.address]);
        let go_on = folder.path().join("go on");
        let program = Program::new(fixture("keeps"), &[&mib.to_string(), go_on.to_str().expect("a path"), threads]);
        let json = folder.path().join("stats.json");
        let all = format!("--peers {} {options} --stats-json {}", hosts.display(), json.display());
        let run = start(&mut program.under_eos(&all));
        wait_long("the first daemon has lent something", || lent(&first) > 0);
        Scene { first, run, folder, mib }
    }

    fn hosts(&self) -> PathBuf {
        self.folder.path().join("hosts.txt")
    }

    fn add_line(&self, line: &str) {
        let mut file = std::fs::OpenOptions::new().append(true).open(self.hosts()).expect("the file");
        writeln!(file, "{line}").expect("written");
    }

    fn end(self) -> (serde_json::Value, Outcome) {
        std::fs::write(self.folder.path().join("go on"), "").expect("written");
        let outcome = self.run.finish(LIMIT);
        assert_eq!(outcome.status, 0, "{}", outcome.stderr);
        assert_eq!(outcome.field("result"), (self.mib << 8).to_string());
        let text = std::fs::read_to_string(self.folder.path().join("stats.json")).expect("written");
        (serde_json::from_str(&text).expect("JSON"), outcome)
    }
}

/// Looks now and then only: each look may be a call.
fn wait_long(what: &str, mut condition: impl FnMut() -> bool) {
    wait_until(what, LIMIT, || {
        std::thread::sleep(std::time::Duration::from_millis(100));
        condition()
    });
}

/// Bytes that a daemon has lent.
fn lent(daemon: &Daemon) -> u64 {
    use eos_jumper::cluster::hosts::parse_address;
    use eos_jumper::cluster::messages::Order;
    use eos_jumper::cluster::order::Operator;
    use eos_verbs::session::ClusterKey;
    let (host, port) = parse_address(&daemon.address).expect("an address");
    let operator = Operator::of(&host, port, &daemon.address, ClusterKey::OPEN).expect("known");
    operator.order(Order::Tell).expect("an answer").lent
}

fn lend(daemon: &Daemon, memory: &str) {
    let mut command = Command::new(EXE);
    command.args(["lend", "--daemon", &daemon.address, "--memory", memory]);
    let outcome = start(&mut command).finish(LIMIT);
    assert_eq!(outcome.status, 0, "{} {}", outcome.stdout(), outcome.stderr);
}

/// A worker that has been started is a node of the run a moment later; nobody outside can see it.
fn wait_until_joined() {
    std::thread::sleep(std::time::Duration::from_secs(2));
}

/// Two more peers join; then the first daemon gets all its memory back, so that pages have to go there.
fn two_join(options: &str, threads: &str) {
    let scene = Scene::new(100, threads, "128M", &format!("--memory 24M {options}"));
    let second = Daemon::local("128M", None);
    scene.add_line(&second.address);
    wait_long("the second daemon has a worker", || !children(second.process.pid()).is_empty());
    wait_until_joined();
    let third = Daemon::local("128M", None);
    scene.add_line(&format!("{} memory=96M", third.address));
    wait_long("the third daemon has a worker", || !children(third.process.pid()).is_empty());
    wait_until_joined();
    if !options.contains("torture") {
        lend(&scene.first, "0");
        assert_eq!(lent(&scene.first), 0);
        wait_long("pages are on new peers", || lent(&second) + lent(&third) >= 64 << 20);
    }
    let names = [second.address.clone(), third.address.clone()];
    let (stats, outcome) = scene.end();
    let nodes = stats["nodes"].as_array().expect("nodes");
    assert_eq!(nodes.len(), 4, "{stats}");
    assert!(nodes[2..].iter().zip(&names).all(|(node, name)| node["name"] == **name), "{stats}");
    for (number, name) in (2..).zip(&names) {
        assert!(outcome.stderr.contains(&format!("{name} has joined as node {number}")), "{}", outcome.stderr);
    }
    if options.contains("--jump 128") {
        let worked =
            nodes[2..].iter().any(|node| node["pulls"].as_u64() > Some(0) || node["faults"].as_u64() > Some(0));
        assert!(worked, "execution has been on a new peer: {stats}");
    }
}

#[test]
fn peers_join_a_running_program_over_shm() {
    two_join("--jump never", "1");
}

#[test]
fn peers_join_a_running_program_over_tcp() {
    two_join("--transport tcp --jump never", "1");
}

#[test]
fn peers_join_a_program_that_jumps() {
    two_join("--jump 128", "1");
    two_join("--transport tcp --jump 128", "1");
    two_join("--jump auto", "1");
}

#[test]
fn peers_join_a_program_with_threads_that_jumps() {
    two_join("--jump 256", "4");
}

#[test]
fn peers_join_a_program_that_is_tortured() {
    for seed in 1..4 {
        two_join(&format!("--torture {seed}"), "1");
    }
}

#[test]
fn a_line_that_is_wrong_or_leads_nowhere_is_told_once_and_the_run_goes_on() {
    let scene = Scene::new(40, "1", "128M", "--memory 16M --jump never");
    let nobody = free_address();
    scene.add_line("not/a/host memory=1M");
    scene.add_line(&nobody);
    let second = Daemon::local("64M", None);
    scene.add_line(&second.address);
    wait_long("the good line is used", || !children(second.process.pid()).is_empty());
    // A daemon that comes later is called again.
    let late = Daemon::start(&[], &nobody, "64M", None);
    wait_long("the late daemon is used", || !children(late.process.pid()).is_empty());
    let (stats, outcome) = scene.end();
    assert_eq!(stats["nodes"].as_array().map(Vec::len), Some(4), "{stats}");
    for words in ["not/a/host", "refuses connections"] {
        assert_eq!(outcome.stderr.matches(words).count(), 1, "{words}: {}", outcome.stderr);
    }
}

#[test]
fn a_line_that_is_taken_away_empties_the_peer() {
    let scene = Scene::new(100, "1", "128M", "--memory 24M --jump 256");
    let second = Daemon::local("192M", None);
    std::fs::write(scene.hosts(), format!("{}\n{}\n", scene.first.address, second.address)).expect("written");
    wait_long("the second daemon has a worker", || !children(second.process.pid()).is_empty());
    std::fs::write(scene.hosts(), format!("{}\n", second.address)).expect("written");
    wait_long("the first daemon has everything back", || lent(&scene.first) == 0);
    assert!(lent(&second) >= 64 << 20);
    // And again the other way round.
    std::fs::write(scene.hosts(), format!("{}\n", scene.first.address)).expect("written");
    wait_long("the second daemon has everything back", || lent(&second) == 0);
    let (_, outcome) = scene.end();
    assert!(outcome.stderr.contains("is not in"), "{}", outcome.stderr);
}

#[test]
fn what_the_program_executes_later_knows_the_new_peer() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = Daemon::local("64M", None);
    let second = Daemon::local("192M", None);
    let hosts = hosts_file(folder.path(), &[&first.address]);
    let go_on = folder.path().join("go");
    let keeps = fixture("keeps");
    let script = format!("while [ ! -e {0} ]; do sleep 0.05; done; exec {1} 120 / 1", go_on.display(), keeps.display());
    let program = Program::new("/bin/sh", &["-c", &script]);
    let run = start(&mut program.under_eos(&format!("--peers {} --memory 24M --jump never", hosts.display())));
    wait_long("it runs", || !children(first.process.pid()).is_empty());
    std::fs::write(&hosts, format!("{}\n{}\n", first.address, second.address)).expect("written");
    wait_long("the second daemon has a worker", || !children(second.process.pid()).is_empty());
    std::fs::write(&go_on, "").expect("written");
    let outcome = run.finish(LIMIT);
    assert_eq!(outcome.status, 0, "{}", outcome.stderr);
    assert_eq!(outcome.field("result"), (120 << 8).to_string());
}
