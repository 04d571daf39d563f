//! Peers whose clocks are not home's: daemons in time namespaces (time_namespaces(7)), days ahead. Needs root.

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/harness.rs"]
mod harness;

use daemon::{Daemon, free_address, hosts_file};
use harness::{Program, is_root, root};
use std::path::Path;
use std::process::Command;

/// Seconds that a peer's CLOCK_MONOTONIC and CLOCK_BOOTTIME are ahead.
const AHEAD: [[&str; 2]; 2] = [["864000", "3"], ["200", "1000000"]];

const PROGRAMS: [&str; 4] = ["clock_image", "clock_monotonic", "clock_signals", "clock_sleep"];

fn peer([monotonic, boot]: [&str; 2]) -> Daemon {
    let before = ["unshare", "--time", "--monotonic", monotonic, "--boottime", boot];
    Daemon::start(&before, &free_address(), "256M", None)
}

#[test]
fn a_program_is_told_homes_time_on_peers_with_other_clocks() {
    if !is_root() {
        eprintln!("skipped: time namespaces need root");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let peers = AHEAD.map(peer);
    let hosts = hosts_file(folder.path(), &peers.each_ref().map(|peer| peer.address.as_str()));
    let programs = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clocks");
    let built = Command::new(root().join("scripts/conformance")).arg(&programs).args(PROGRAMS).status();
    assert!(built.expect("scripts/conformance runs").success());
    for name in PROGRAMS {
        for how in ["--jump 2", "--torture 1", "--torture 2 --transport tcp"] {
            let options = format!("--peers {} --memory 8M {how}", hosts.display());
            let seen = Program::new(programs.join(name), &[]).run(&options);
            let well = seen.status == 0 && !seen.stdout().contains(": NO\n") && seen.stderr.is_empty();
            assert!(well, "{name} {how}: {}\n{}{}", seen.status, seen.stdout(), seen.stderr);
        }
    }
}
