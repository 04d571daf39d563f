//! The evaluation from end to end, as far as an ordinary user can run it: shared memory, small programs.

use std::path::{Path, PathBuf};
use std::process::Command;

fn release(program: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release").join(program);
    assert!(path.exists(), "{} is missing; cargo build --release --workspace --bins", path.display());
    path
}

fn figures(out: &Path, more: &[&str]) -> (bool, String) {
    let mut command = Command::new(release("eos-bench"));
    command
        .args(["figures", "--out"])
        .arg(out)
        .args(["--links", "shm", "--nodes", "2", "--runs", "1", "--limit", "60"]);
    command.args(["--programs", "linear_search,random", "--budgets", "50", "--size", "4M"]).args(more);
    let output = command.output().expect("eos-bench starts");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_report_has_what_was_measured_and_says_what_failed_and_nothing_is_measured_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let methods = ["--methods", "native,never,sweep", "--thresholds", "8,64"];
    let (worked, said) = figures(folder.path(), &methods);
    assert!(worked, "{said}");
    // Native in rounds 0 and 1, never, the sweep, its best once more.
    assert_eq!(said.matches("linear_search").count(), 6, "{said}");
    let report = std::fs::read_to_string(folder.path().join("report.md")).expect("a report");
    let row = report.lines().find(|line| line.starts_with("| linear_search | 0.")).expect("a row of times");
    assert!(row.contains("(at 8)") || row.contains("(at 64)"), "{row}");
    assert!(report.contains("a page of a random read over zram's: at most 0.5 | not measured"), "{report}");
    assert!(report.contains("\nNothing.\n"), "{report}");
    let drawing = "slowdown-shm-2-50.svg";
    assert!(report.contains(drawing) && folder.path().join(drawing).exists(), "{report}");
    let journal = std::fs::read(folder.path().join("runs.jsonl")).expect("a journal");
    let (worked, said) = figures(folder.path(), &methods);
    assert!(worked && said.is_empty(), "measured again: {said}");
    assert_eq!(std::fs::read(folder.path().join("runs.jsonl")).expect("a journal"), journal);
}

#[test]
fn a_runtime_that_does_not_start_is_a_result_and_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let (worked, said) = figures(folder.path(), &["--methods", "native,never", "--eos", "/bin/false"]);
    assert!(worked, "{said}");
    let report = std::fs::read_to_string(folder.path().join("report.md")).expect("a report");
    assert!(report.contains("- linear_search never 50 % shm 2 nodes: exit status: 1"), "{report}");
}

#[test]
fn a_word_that_is_no_method_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let (worked, said) = figures(folder.path(), &["--methods", "magic"]);
    assert!(!worked && said.contains("magic") && said.contains("zram"), "{said}");
}
