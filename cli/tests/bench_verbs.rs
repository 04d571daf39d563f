//! `eos-rdma bench verbs` and the choice of the transport: against a daemon and a local peer.

mod common;

use common::{Daemon, EXE, LIMIT, key_file};
use serde_json::Value;
use std::path::Path;
use std::process::Output;

fn eos(words: &[&str]) -> (Option<i32>, String, String) {
    let output = assert_cmd::Command::new(EXE).args(words).timeout(LIMIT).output().expect("it runs");
    let Output { status, stdout, stderr } = output;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("utf-8");
    (status.code(), text(stdout), text(stderr))
}

fn utf8(path: &Path) -> &str {
    path.to_str().expect("utf-8")
}

/// The report of the only peer.
fn report(words: &[&str]) -> Value {
    let (status, stdout, stderr) = eos(&[&["bench", "verbs", "--json", "--rounds", "20"], words].concat());
    assert_eq!((status, stderr.as_str()), (Some(0), ""), "{stdout}");
    let mut reports: Vec<Value> = serde_json::from_str(&stdout).expect("json");
    assert_eq!(reports.len(), 1);
    reports.remove(0)
}

#[test]
fn every_operation_is_measured_at_every_size_over_the_transport_that_was_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_, key) = key_file(&folder);
    let daemon = Daemon::start("128M", Some(&key));
    let peer = daemon.address.to_string();
    let daemon_words = ["--peer", &peer, "--key", utf8(&key)];
    for (words, transport, reason) in [
        ([&daemon_words[..], &["--transport", "tcp"]].concat(), "tcp", "as asked for"),
        (daemon_words.to_vec(), "shm", "same host"),
        (vec!["--transport", "tcp"], "tcp", "as asked for"),
    ] {
        let report = report(&words);
        assert_eq!(
            (report["transport"].as_str(), report["transport_reason"].as_str()),
            (Some(transport), Some(reason))
        );
        let rows = report["rows"].as_array().expect("a list");
        for operation in ["READ", "WRITE", "SEND"] {
            let of_operation: Vec<_> = rows.iter().filter(|row| row["operation"] == operation).collect();
            assert_eq!(of_operation.len(), 8, "{operation}");
            for row in of_operation {
                assert!(row["p50_us"].as_f64().expect("a number") > 0.0, "{row}");
                assert!(row["p99_us"].as_f64() >= row["p50_us"].as_f64(), "{row}");
                assert_eq!(row["mib_s"].is_null(), operation == "SEND", "{row}");
            }
        }
    }
}

#[test]
fn a_peer_that_cannot_serve_is_named_with_the_remedy() {
    let daemon = Daemon::start("16M", None);
    let peer = daemon.address.to_string();
    let (status, _, stderr) = eos(&["bench", "verbs", "--peer", &peer]);
    assert_eq!(status, Some(125));
    assert!(stderr.contains(&peer) && stderr.contains("16 MiB") && stderr.contains("larger --memory"), "{stderr}");
    let (status, _, stderr) = eos(&["bench", "verbs", "--peer", "a:b"]);
    assert_eq!(status, Some(125));
    assert!(stderr.contains("--peer a:b") && stderr.contains("10.0.0.2:7471"), "{stderr}");
}

/// Where this machine has no RDMA device, which is what these tests can be sure about.
#[test]
fn rdma_that_cannot_be_had_is_one_sentence_with_the_remedy() {
    if Path::new("/sys/class/infiniband").read_dir().is_ok_and(|mut list| list.next().is_some()) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let daemon = Daemon::start("64M", None);
    let peer = daemon.address.to_string();
    let hosts = folder.path().join("hosts.txt");
    std::fs::write(&hosts, &peer).expect("written");
    for words in [
        &["run", "--peers", utf8(&hosts), "--transport", "rdma", "/bin/true"][..],
        &["run", "--local", "1", "--transport", "rdma", "/bin/true"],
        &["bench", "verbs", "--transport", "rdma"],
    ] {
        let (status, stdout, stderr) = eos(words);
        assert_eq!((status, stdout.as_str(), stderr.lines().count()), (Some(125), "", 1), "{stderr}");
        assert!(stderr.contains("cannot be reached over rdma: ") && stderr.contains("; "), "{stderr}");
        assert_eq!(stderr.contains(&peer), words.contains(&"--peers"), "{stderr}");
    }
    let (status, stdout, _) = eos(&["doctor", "--transport", "rdma", "--peers", utf8(&hosts)]);
    assert_eq!(status, Some(1), "{stdout}");
    let failed = stdout.lines().filter(|line| line.trim_start().starts_with("failed")).count();
    assert_eq!(failed, 2, "the device here and the transport to the peer: {stdout}");
}

#[test]
fn the_numbers_of_a_run_say_why_a_peer_has_its_transport() {
    let folder = tempfile::tempdir().expect("a folder");
    let json = folder.path().join("stats.json");
    for (transport, reason) in [("auto", "same host"), ("tcp", "as asked for")] {
        let words =
            ["run", "--local", "1", "--transport", transport, "--stats", "--stats-json", utf8(&json), "/bin/true"];
        let (status, _, stderr) = eos(&words);
        assert_eq!(status, Some(0), "{stderr}");
        assert!(stderr.contains(reason), "{stderr}");
        let stats: Value = serde_json::from_slice(&std::fs::read(&json).expect("there")).expect("json");
        assert_eq!(stats["nodes"][1]["transport_reason"], reason);
        assert_eq!(stats["nodes"][0]["transport_reason"], Value::Null);
    }
}
