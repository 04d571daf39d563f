//! `eos-rdma doctor`: what it says about this machine and about peers in good and bad shape, and its exit status.

mod common;

use common::{Daemon, EXE, LIMIT, key_file};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Output;

struct Seen {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Seen {
    /// The line of a check, in the section of `host`.
    fn line(&self, host: &str, name: &str) -> &str {
        let text = format!("\n{}", self.stdout);
        let (_, after) = text.split_once(&format!("\n{host}\n")).unwrap_or_else(|| panic!("no {host}: {text}"));
        let section = &self.stdout[self.stdout.len() - after.len()..];
        let mut lines = section.lines().take_while(|line| line.starts_with("  "));
        lines.find(|line| line[11..].starts_with(name)).unwrap_or_else(|| panic!("no {name}: {section}"))
    }

    fn expect(&self, host: &str, name: &str, state: &str, words: &[&str]) {
        let line = self.line(host, name);
        assert!(line.trim_start().starts_with(state), "{line}");
        for word in words {
            assert!(line.contains(word), "no {word:?} in: {line}");
        }
    }
}

fn doctor(words: &[&str]) -> Seen {
    let mut command = assert_cmd::Command::new(EXE);
    let Output { status, stdout, stderr } = command.arg("doctor").args(words).timeout(LIMIT).output().expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("utf-8");
    Seen { status: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

fn hosts(folder: &Path, lines: &[String]) -> PathBuf {
    let path = folder.join("hosts.txt");
    std::fs::write(&path, lines.join("\n")).expect("written");
    path
}

fn utf8(path: &Path) -> &str {
    path.to_str().expect("utf-8")
}

/// An address of loopback where nobody listens.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").to_string()
}

#[test]
fn a_healthy_machine_without_rdma_gives_status_0() {
    let seen = doctor(&[]);
    assert_eq!((seen.status, seen.stderr.as_str()), (Some(0), ""), "{}", seen.stdout);
    for name in ["kernel", "userfaultfd", "system calls", "own memory", "fsgsbase", "address space", "layout"] {
        seen.expect("this machine", name, "ok", &[]);
    }
    assert!(!seen.stdout.contains('\x1b'), "no colours in a file: {}", seen.stdout);
}

#[test]
fn a_daemon_that_is_right_has_all_lines_ok() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_, key) = key_file(&folder);
    let daemon = Daemon::start("128M", Some(&key));
    let (host, here) = (daemon.address.to_string(), "this machine");
    let file = hosts(folder.path(), &[format!("{host} memory=64M")]);
    let words = ["--peers", utf8(&file), "--key", utf8(&key)];
    let seen = doctor(&words);
    assert_eq!(seen.status, Some(0), "{}", seen.stdout);
    seen.expect(here, "kernel", "ok", &["Linux"]);
    seen.expect(&host, "reachable", "ok", &[&host]);
    seen.expect(&host, "key", "ok", &["the same"]);
    seen.expect(&host, "version", "ok", &[env!("CARGO_PKG_VERSION")]);
    seen.expect(&host, "memory", "ok", &["128 MiB free"]);
    seen.expect(&host, "processor", "ok", &["can execute"]);
    seen.expect(&host, "transport", "ok", &["shm (same host)"]);
    seen.expect(&host, "round trip", "ok", &["ms"]);
    let tcp = doctor(&[&words[..], &["--transport", "tcp"]].concat());
    tcp.expect(&host, "transport", "ok", &["tcp (as asked for)"]);
}

#[test]
fn hosts_that_are_down_or_have_another_key_fail_with_the_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_, key) = key_file(&folder);
    let other = tempfile::tempdir().expect("a folder");
    let (_, other_key) = key_file(&other);
    let daemon = Daemon::start("64M", Some(&key));
    let (host, down) = (daemon.address.to_string(), nobody());
    let file = hosts(folder.path(), &[host.clone(), down.clone(), "no-such-host.invalid".to_owned()]);
    let seen = doctor(&["--peers", utf8(&file), "--key", utf8(&other_key)]);
    assert_eq!(seen.status, Some(1), "{}", seen.stdout);
    seen.expect(&host, "reachable", "ok", &[]);
    seen.expect(&host, "key", "failed", &["another cluster key", "copy of the same key file"]);
    let remedy = format!("start the daemon there with: eos-rdma serve --listen {down}");
    seen.expect(&down, "reachable", "failed", &["refuses connections", &remedy]);
    assert!(seen.line(&down, "reachable").ends_with(&remedy));
    seen.expect("no-such-host.invalid:7471", "address", "failed", &["correct its name"]);
    let without = doctor(&["--peers", utf8(&file)]);
    assert_eq!(without.status, Some(1));
    without.expect(&host, "key", "failed", &["wants a cluster key", "use --key"]);
}

#[test]
fn a_daemon_whose_memory_is_too_small_is_a_warning() {
    let folder = tempfile::tempdir().expect("a folder");
    let daemon = Daemon::start("64M", None);
    let host = daemon.address.to_string();
    let file = hosts(folder.path(), &[format!("{host} memory=1G")]);
    let seen = doctor(&["--peers", utf8(&file)]);
    assert_eq!(seen.status, Some(0), "{}", seen.stdout);
    seen.expect(&host, "memory", "warning", &["64 MiB free", "1 GiB", "larger --memory"]);
}

#[test]
fn wrong_files_and_options_are_usage_errors() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = hosts(folder.path(), &["a".to_owned(), "b:c".to_owned()]);
    let cases = [
        (&["--peers", utf8(&file)][..], "hosts.txt:2: \"c\" is not a port"),
        (&["--peers", "/nonexistent"], "/nonexistent"),
        (&["--key", "/nonexistent"], "/nonexistent"),
        (&["--transport", "smoke"], "smoke"),
        (&["stray"], "stray"),
    ];
    for (words, part) in cases {
        let seen = doctor(words);
        assert_eq!((seen.status, seen.stdout.as_str()), (Some(125), ""), "{words:?}");
        assert!(seen.stderr.contains(part), "{}", seen.stderr);
    }
}

#[test]
fn json_says_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let down = nobody();
    let file = hosts(folder.path(), std::slice::from_ref(&down));
    let seen = doctor(&["--json", "--peers", utf8(&file)]);
    assert_eq!(seen.status, Some(1));
    let json: Value = serde_json::from_str(&seen.stdout).expect("json");
    assert_eq!(json["state"], "failed");
    let sections = json["sections"].as_array().expect("a list");
    assert_eq!(sections[0]["name"], "this machine");
    assert_eq!(sections[1]["name"], down.as_str());
    let check = &sections[1]["checks"][0];
    assert_eq!((check["name"].as_str(), check["state"].as_str()), (Some("reachable"), Some("failed")));
    assert!(check["remedy"].as_str().expect("a remedy").contains("eos-rdma serve"), "{check}");
    for check in sections[0]["checks"].as_array().expect("a list") {
        assert!(["ok", "warning", "failed"].contains(&check["state"].as_str().expect("a word")), "{check}");
    }
}
