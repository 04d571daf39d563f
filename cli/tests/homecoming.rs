//! Pages come home unasked once there is room, and the program does not wait for them then.

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/harness.rs"]
mod harness;

use std::path::Path;

use daemon::{Daemon, hosts_file, offered};
use harness::{LIMIT, Program, fixture, start, wait_until};

const KEPT_MIB: u64 = 16;

fn program(awaited: &Path) -> Program {
    Program::new(fixture("wanes"), &["64", &KEPT_MIB.to_string(), awaited.to_str().expect("a path")])
}

/// Runs it until the daemon holds nothing more, or for as long as `held` says. What it pulled, and what came home, in pages.
fn run(options: &str, held: bool) -> (u64, u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let daemon = Daemon::local("128M", None);
    let hosts = hosts_file(folder.path(), &[&daemon.address]);
    let (go_on, json) = (folder.path().join("go on"), folder.path().join("stats.json"));
    let all = format!("--peers {} --memory 24M {options} --stats-json {}", hosts.display(), json.display());
    let run = start(&mut program(&go_on).under_eos(&all));
    let away = || offered(&daemon);
    wait_until("much is away", LIMIT, || away() > 15 << 20);
    if held {
        std::thread::sleep(std::time::Duration::from_secs(4));
        assert!(away() > 15 << 20, "{options}: {}", away());
    } else {
        wait_until("all has come home, and the slab has gone back", LIMIT, || away() < 1 << 20);
    }
    std::fs::write(&go_on, "").expect("written");
    let outcome = run.finish(LIMIT);
    assert_eq!(outcome.status, 0, "{options}: {}", outcome.stderr);
    assert_eq!(outcome.field("result"), program(Path::new("/")).natively().field("result"), "{options}");
    let stats = std::fs::read_to_string(&json).expect("written");
    let stats: serde_json::Value = serde_json::from_str(&stats).expect("JSON");
    let number = |name: &str| stats[name].as_u64().expect("a number");
    (number("pulls"), number("brought_home"))
}

#[test]
fn what_is_away_comes_home_over_shm() {
    let (pulls, brought) = run("--jump never", false);
    assert!(brought >= KEPT_MIB << 7 && pulls < 200, "{brought} came home, {pulls} were pulled");
}

#[test]
fn what_is_away_comes_home_over_tcp() {
    let (pulls, brought) = run("--transport tcp --jump never", false);
    assert!(brought >= KEPT_MIB << 7 && pulls < 200, "{brought} came home, {pulls} were pulled");
}

#[test]
fn nothing_comes_home_unasked_without_prefetch() {
    let (pulls, brought) = run("--jump never --prefetch off", true);
    assert!(brought == 0 && pulls >= KEPT_MIB << 7, "{brought} came home, {pulls} were pulled");
}
