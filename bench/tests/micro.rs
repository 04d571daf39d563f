//! `eos-bench micro` as a user runs it, with a stand-in for `eos-rdma`.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

/// Runs the program natively, and writes the statistics of a run that jumped if jumping was allowed.
const STAND_IN: &str = r#"#!/bin/sh
jump=; json=
while [ "$1" != "--" ]; do
    case "$1" in
        --jump) jump=$2 ;;
        --stats-json) json=$2 ;;
        */*_probe) program=$1 ;;
    esac
    shift
done
shift
[ "$jump" = never ] && jumps=0 || jumps=7
echo "{\"jumps\": $jumps, \"jump_us_p50\": 12.5, \"jump_us_p99\": 50.0, \"pulls\": 1}" >"$json"
exec "$program" "$@"
"#;

/// A folder that ends with its owner.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn micro_prints_floors_and_the_runtime_beside_them_and_leaves_the_same_as_json() {
    let scratch = Scratch(std::env::temp_dir().join(format!("eos-bench-test-{}", std::process::id())));
    std::fs::create_dir_all(&scratch.0).expect("a scratch folder");
    let (eos, json) = (scratch.0.join("eos-rdma"), scratch.0.join("rows.json"));
    std::fs::write(&eos, STAND_IN).expect("the stand-in");
    std::fs::set_permissions(&eos, std::fs::Permissions::from_mode(0o755)).expect("executable");

    let mut command = Command::new(env!("CARGO_BIN_EXE_eos-bench"));
    let output = command.arg("micro").arg("--eos").arg(&eos).arg("--json").arg(&json).output().expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for name in
        ["SIGBUS + UFFDIO_COPY", "Syscall User Dispatch", "32 B out, 4 KiB back", "9 KB one way", "eos jump over tcp"]
    {
        assert!(text.contains(name), "{name} is missing in\n{text}");
    }
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&std::fs::read(&json).expect("rows")).expect("JSON");
    assert!(rows.len() > 20);
    assert!(rows.iter().all(|row| row["p50_us"].as_f64().is_some_and(|us| us > 0.0)), "{rows:?}");
    let jump = rows.iter().find(|row| row["name"] == "eos jump over shm").expect("a jump");
    assert_eq!(jump["p50_us"].as_f64(), Some(12.5));
    let telling = rows.iter().find(|row| row["name"] == "eos jump over tcp, telling of 380 pages").expect("a jump");
    let aim = |row: &serde_json::Value| row["comparison"]["aim_us"].clone();
    assert!(aim(jump).is_number() && aim(telling).is_null(), "{jump} {telling}");
}

#[test]
fn a_peer_that_is_not_there_is_named_with_the_way_to_start_it() {
    let output = Command::new(env!("CARGO_BIN_EXE_eos-bench"))
        .args(["micro", "--netns-peer", "127.0.0.1:1"])
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("eos-bench peer --listen 127.0.0.1:1"), "{said}");
}
