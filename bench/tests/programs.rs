//! The programs as a user runs them: output, determinism, footprint.

use std::process::{Command, Stdio};
use std::time::Duration;

const PROGRAMS: [&str; 6] = [
    env!("CARGO_BIN_EXE_linear_search"),
    env!("CARGO_BIN_EXE_dfs"),
    env!("CARGO_BIN_EXE_dijkstra"),
    env!("CARGO_BIN_EXE_heap_sort"),
    env!("CARGO_BIN_EXE_block_sort"),
    env!("CARGO_BIN_EXE_count_sort"),
];

fn last_line(program: &str, size: &str, seed: &str) -> String {
    let output = Command::new(program).args(["--size", size, "--seed", seed]).output().expect("the program starts");
    assert!(output.status.success(), "{program} failed: {output:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().last().expect("a line").to_owned()
}

/// The `HEX` of `result=HEX seconds=S`.
fn result_of(line: &str) -> &str {
    let (result, seconds) = line.split_once(' ').expect("two fields");
    let seconds: f64 = seconds.strip_prefix("seconds=").expect("seconds=").parse().expect("a number");
    assert!((0.0..60.0).contains(&seconds));
    let hex = result.strip_prefix("result=").expect("result=");
    assert!(hex.len() == 16 && hex.chars().all(|c| c.is_ascii_hexdigit()), "{hex}");
    hex
}

#[test]
fn the_last_line_is_the_same_for_a_seed_and_differs_between_seeds_and_sizes() {
    for program in PROGRAMS {
        let lines =
            [("1M", "1"), ("1M", "1"), ("1M", "2"), ("2M", "1")].map(|(size, seed)| last_line(program, size, seed));
        let [first, again, other_seed, other_size] = lines.each_ref().map(|line| result_of(line));
        assert_eq!(first, again, "{program}");
        assert_ne!(first, other_seed, "{program}");
        assert_ne!(first, other_size, "{program}");
    }
}

/// `VmHWM` of a process in bytes; `None` once it has ended.
fn peak_resident_bytes(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[test]
fn the_footprint_is_the_size_within_two_percent_and_the_program_itself() {
    const SIZE_BYTES: u64 = 128 << 20;
    const PROGRAM_BYTES: u64 = 4 << 20;
    for program in PROGRAMS {
        let mut child =
            Command::new(program).args(["--size", "128M"]).stdout(Stdio::null()).spawn().expect("the program starts");
        let mut peak_bytes = 0;
        while child.try_wait().expect("a child").is_none() {
            peak_bytes = peak_resident_bytes(child.id()).unwrap_or(0).max(peak_bytes);
            std::thread::sleep(Duration::from_millis(2));
        }
        assert!(peak_bytes > SIZE_BYTES / 100 * 98, "{program} took only {peak_bytes} bytes");
        assert!(peak_bytes < SIZE_BYTES / 100 * 102 + PROGRAM_BYTES, "{program} took {peak_bytes} bytes");
    }
}

#[test]
fn a_bad_size_is_refused_with_a_hint() {
    let output = Command::new(PROGRAMS[0]).args(["--size", "many"]).output().expect("the program starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("512M"));
}
