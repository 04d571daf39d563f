//! What goes wrong: a peer dies, home dies, memory runs out, hosts and keys are not what they should be.

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/harness.rs"]
mod harness;

use daemon::{Daemon, free_address, hosts_file, key_file};
use harness::{EXE, LIMIT, Outcome, Program, Running, bench_program, children, is_alive, kill, start, wait_until};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(40);

/// A program that works for long on memory that does not fit: sorting.
fn long_program() -> Program {
    Program::new(bench_program("heap_sort"), &["--size", "256M"])
}

fn start_long(options: &str) -> Running {
    start(&mut long_program().under_eos(options))
}

fn resident_bytes(pid: u32) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

/// Resident memory of home and of the workers, the children of `parent`. With shm, what home has written to a peer's
/// memory counts at home, so neither alone tells whether peers hold pages.
fn held(home: u32, parent: u32) -> u64 {
    resident_bytes(home) + children(parent).into_iter().map(resident_bytes).sum::<u64>()
}

fn held_by_run(pid: u32) -> u64 {
    held(pid, pid)
}

fn expect(outcome: &Outcome, status: i32, words: &[&str]) {
    assert_eq!(outcome.status, status, "{}", outcome.stderr);
    for word in words {
        assert!(outcome.stderr.contains(word), "no {word:?} in: {}", outcome.stderr);
    }
    if status == 125 {
        assert_eq!(outcome.stderr.lines().count(), 1, "one sentence: {}", outcome.stderr);
    }
}

fn hosts_option(folder: &Path, addresses: &[&str]) -> String {
    format!("--peers {}", hosts_file(folder, addresses).display())
}

#[test]
fn a_local_peer_that_dies_ends_the_run_with_its_name() {
    for options in ["--jump never", "--jump 8", "--transport tcp"] {
        let run = start_long(&format!("--local 2 --memory 32M {options}"));
        let pid = run.pid();
        wait_until("peers hold pages", SOON, || held_by_run(pid) > 150 << 20);
        let workers = children(pid);
        kill(workers[0], libc::SIGKILL);
        let outcome = run.finish(SOON);
        expect(&outcome, 125, &["local-1"]);
        wait_until("nothing is left running", SOON, || !workers.iter().any(|worker| is_alive(*worker)));
    }
}

#[test]
fn a_daemons_worker_that_dies_ends_the_run_with_the_hosts_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let daemon = Daemon::local("512M", None);
    let run = start_long(&format!("--memory 32M {}", hosts_option(folder.path(), &[&daemon.address])));
    let (home, serve) = (run.pid(), daemon.process.pid());
    wait_until("it holds pages", SOON, || held(home, serve) > 150 << 20);
    let worker = children(serve)[0];
    kill(worker, libc::SIGKILL);
    expect(&run.finish(SOON), 125, &[&daemon.address]);
    assert!(is_alive(daemon.process.pid()), "the daemon goes on");
}

#[test]
fn a_daemon_that_dies_ends_its_workers_and_the_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let daemon = Daemon::local("512M", None);
    let run = start_long(&format!("--memory 32M {}", hosts_option(folder.path(), &[&daemon.address])));
    let (home, serve) = (run.pid(), daemon.process.pid());
    wait_until("it holds pages", SOON, || held(home, serve) > 150 << 20);
    let workers = children(serve);
    kill(daemon.process.pid(), libc::SIGKILL);
    expect(&run.finish(SOON), 125, &[&daemon.address]);
    wait_until("its worker is gone", SOON, || !workers.iter().any(|worker| is_alive(*worker)));
}

#[test]
fn workers_end_when_home_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let daemon = Daemon::local("512M", None);
    for options in ["--local 2 --transport shm", "--local 2 --transport tcp", "daemon"] {
        let options = options.replace("daemon", &hosts_option(folder.path(), &[&daemon.address]));
        let run = start_long(&format!("--memory 32M {options}"));
        let pid = run.pid();
        let parent = if options.contains("local") { pid } else { daemon.process.pid() };
        wait_until("peers hold pages", SOON, || held(pid, parent) > 150 << 20);
        let workers = children(parent);
        kill(pid, libc::SIGKILL);
        assert_eq!(run.finish(SOON).status, -libc::SIGKILL);
        wait_until("the workers are gone", SOON, || !workers.iter().any(|worker| is_alive(*worker)));
    }
}

#[test]
fn a_signal_to_home_ends_everything() {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        let run = start_long("--local 2 --memory 32M --jump 8");
        let pid = run.pid();
        wait_until("peers hold pages", SOON, || held_by_run(pid) > 150 << 20);
        let workers = children(pid);
        kill(pid, signal);
        assert_eq!(run.finish(SOON).status, -signal);
        wait_until("the workers are gone", SOON, || !workers.iter().any(|worker| is_alive(*worker)));
    }
}

#[test]
fn peers_that_are_full_end_the_run_with_one_sentence() {
    let folder = tempfile::tempdir().expect("a folder");
    let daemon = Daemon::local("64M", None);
    let hosts = hosts_option(folder.path(), &[&daemon.address]);
    for jump in ["never", "16"] {
        wait_until("the last run's worker is gone", SOON, || children(daemon.process.pid()).is_empty());
        let outcome = long_program().run(&format!("--memory 32M --jump {jump} {hosts}"));
        expect(&outcome, 125, &["no memory left", &format!("{} is full", daemon.address)]);
    }
}

#[test]
fn without_peers_the_budget_is_the_end() {
    let outcome = long_program().run("--memory 32M");
    expect(&outcome, 125, &["no memory left", "32 MiB", "there are no peers"]);
}

#[test]
fn hosts_that_cannot_be_joined_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ours, theirs) = (key_file(folder.path(), "ours"), key_file(folder.path(), "theirs"));
    let daemon = Daemon::local("64M", Some(&theirs));
    let hosts = hosts_option(folder.path(), &[&daemon.address]);
    let program = Program::new("/bin/true", &[]);
    let wrong = program.run(&format!("{hosts} --key {}", ours.display()));
    expect(&wrong, 125, &[&daemon.address, "key"]);
    expect(&program.run(&hosts), 125, &[&daemon.address, "key"]);
    expect(&program.run(&format!("{hosts} --key {}", theirs.display())), 0, &[]);
    let down = free_address();
    let hosts = hosts_option(folder.path(), &[&down]);
    expect(&program.run(&hosts), 125, &[&down, "eos-rdma serve"]);
    let hosts = hosts_option(folder.path(), &["# fine", "10.0.0.1 memory=lots"]);
    expect(&program.run(&hosts), 125, &[":2:", "memory=lots"]);
}

#[test]
fn programs_that_cannot_be_run_give_126_and_127() {
    let folder = tempfile::tempdir().expect("a folder");
    let plain = folder.path().join("plain");
    std::fs::write(&plain, "no program").expect("written");
    expect(&Program::new("no-such-program-here", &[]).run("--local 1"), 127, &["no-such-program-here"]);
    expect(&Program::new("/no/such/file", &[]).run("--local 1"), 127, &["/no/such/file"]);
    expect(&Program::new(&plain, &[]).run("--local 1"), 126, &["plain"]);
    expect(&Program::new(folder.path(), &[]).run("--local 1"), 126, &["directory"]);
}

#[test]
fn the_exit_status_and_the_deadly_signal_are_passed_on() {
    for status in ["0", "1", "42", "125", "255"] {
        let shell = Program::new("/bin/sh", &["-c", &format!("exit {status}")]);
        assert_eq!(shell.run("--local 1 --memory 16M").status.to_string(), status);
    }
    for (name, signal) in [("TERM", libc::SIGTERM), ("KILL", libc::SIGKILL), ("USR1", libc::SIGUSR1)] {
        let shell = Program::new("/bin/sh", &["-c", &format!("kill -{name} $$")]);
        assert_eq!(shell.run("--local 1 --memory 16M").status, -signal, "{name}");
    }
}

#[test]
fn a_limit_of_address_space_is_explained() {
    let program = Program::new("/bin/true", &[]).before("ulimit -v 4000000");
    expect(&program.run("--local 1 --memory 16M"), 125, &["ulimit -v"]);
}

#[test]
fn calls_that_are_not_there_yet_are_named_once_and_only_when_asked_for() {
    // io_uring_setup, twice
    let program = Program::new("/usr/bin/perl", &["-e", "syscall(425, 1, 0); syscall(425, 1, 0)"]);
    for options in ["--local 1 --memory 16M", "--local 1 --memory 8M --torture 3"] {
        assert!(!program.run(options).stderr.contains("not supported"));
        let verbose = program.run(&format!("{options} --verbose")).stderr;
        let named: Vec<_> = verbose.lines().filter(|line| line.contains("not supported")).collect();
        assert_eq!(named.len(), 1, "{verbose}");
        assert!(named[0].contains("io_uring_setup"), "{verbose}");
    }
    let quiet = Program::new("/bin/true", &[]).run("--local 1 --memory 16M --verbose").stderr;
    assert!(!quiet.contains("not supported"), "{quiet}");
}

#[test]
fn the_program_cannot_reach_the_runtimes_descriptors_or_memory() {
    let program = Program::fixture("own_half", &[]);
    program.same(&[
        "--local 2 --memory 8M",
        "--memory 64M",
        "--local 2 --memory 8M --torture 5",
        "--local 1 --memory 8M --torture 6",
    ]);
}

#[test]
fn an_ordinary_user_needs_no_privilege() {
    if !harness::is_root() {
        return; // then every other test shows it
    }
    let sysctl = std::fs::read_to_string("/proc/sys/vm/unprivileged_userfaultfd").unwrap_or_default();
    assert_eq!(sysctl.trim(), "0", "the strictest setting, which is the default, is what must do");
    // The build folder may lie where other users cannot go.
    let folder = tempfile::Builder::new().tempdir_in("/tmp").expect("a folder");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).expect("readable for all");
    let copy = |from: &Path, name: &str| {
        let to = folder.path().join(name);
        std::fs::copy(from, &to).expect("copied");
        to
    };
    let exe = copy(Path::new(EXE), "eos-rdma");
    let program = copy(&bench_program("linear_search"), "linear_search");
    let native = Program::new(&program, &["--size", "48M"]).natively();
    for options in [&["--local", "2"][..], &["--local", "2", "--transport", "tcp", "--jump", "never"]] {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
            .arg(&exe)
            .args(["run", "--memory", "16M"]);
        command.args(options).arg(&program).args(["--", "--size", "48M"]).current_dir("/");
        let outcome = start(&mut command).finish(LIMIT);
        assert_eq!(outcome.status, 0, "{}", outcome.stderr);
        assert_eq!(outcome.field("result"), native.field("result"));
    }
}
