//! The budget holds, the answers are right, and the numbers say so: the six bench programs over local peers.

#[path = "support/harness.rs"]
mod harness;

use harness::{LIMIT, Program, bench_program, start};
use serde_json::Value;
use std::path::Path;

const PROGRAMS: [&str; 6] = ["linear_search", "dfs", "dijkstra", "heap_sort", "block_sort", "count_sort"];
const APP_END: u64 = 0x5000_0000_0000;

/// Three of the programs go through their memory at random: at a quarter of it nearly every step is a pull.
fn footprint_mib(name: &str) -> u64 {
    match name {
        _ if std::env::var_os("EOS_FULL").is_some() => 512,
        "dijkstra" | "heap_sort" | "count_sort" => 8,
        _ => 64,
    }
}

fn program(name: &str) -> Program {
    Program::new(bench_program(name), &["--size", &format!("{}M", footprint_mib(name))])
}

/// Budget and what it may be exceeded by: 5 % or 8 MiB.
fn allowed(budget: u64) -> u64 {
    budget + (budget / 20).max(8 << 20)
}

fn read_stats(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("--stats-json was written");
    serde_json::from_str(&text).expect("JSON")
}

fn number(stats: &Value, key: &str) -> u64 {
    stats[key].as_u64().unwrap_or_else(|| panic!("{key} in {stats}"))
}

/// Runs one program with one budget and checks its answer and its numbers.
fn check(name: &str, percent: u64, options: &str, jumping: bool) {
    let program = program(name);
    let budget = (footprint_mib(name) << 20) * percent / 100;
    let folder = tempfile::tempdir().expect("a folder");
    let json = folder.path().join("stats.json");
    let jump = if jumping { "" } else { "--jump never" };
    let all = format!("{options} {jump} --memory {budget} --stats-json {}", json.display());
    let outcome = program.run(&all);
    assert_eq!(outcome.status, 0, "{name} {all}: {}", outcome.stderr);
    assert_eq!(outcome.field("result"), program.natively().field("result"), "{name} {all}");
    let stats = read_stats(&json);
    assert!(number(&stats, "pushes") > 0 && number(&stats, "pulls") > 0, "{name} {all}: {stats}");
    assert_eq!(number(&stats, "jumps") > 0, jumping, "{name} {all}: {stats}");
    let resident = number(&stats["nodes"][0], "resident_bytes_max");
    assert!(resident <= allowed(budget), "{name} {all}: {resident} bytes resident at home, budget {budget}");
}

#[test]
fn the_six_programs_jump_and_give_their_answers_over_shm() {
    for name in PROGRAMS {
        check(name, 50, "--local 2", true);
        check(name, 25, "--local 2", true);
    }
}

#[test]
fn the_six_programs_jump_and_give_their_answers_over_tcp() {
    for name in PROGRAMS {
        check(name, 25, "--local 2 --transport tcp", true);
    }
}

#[test]
fn the_six_programs_give_their_answers_without_jumps() {
    for name in PROGRAMS {
        check(name, 25, "--local 2", false);
    }
}

/// Anonymous resident bytes of the program's half of a process (proc_pid_smaps(5)).
fn resident_anonymous(pid: u32) -> u64 {
    let smaps = std::fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap_or_default();
    let mut of_app = false;
    let mut kib = 0;
    for line in smaps.lines() {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        if let Some((start, _)) = first.split_once('-')
            && let Ok(start) = u64::from_str_radix(start, 16)
        {
            of_app = start < APP_END;
        } else if of_app && first == "Anonymous:" {
            kib += words.next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    kib << 10
}

#[test]
fn what_the_kernel_counts_stays_within_the_budget() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, options) in
        [("dfs", "--local 2"), ("linear_search", "--local 2 --jump never"), ("block_sort", "--local 1")]
    {
        let budget = (footprint_mib(name) << 20) / 4;
        let json = folder.path().join(name);
        let all = format!("{options} --memory {budget} --stats-json {}", json.display());
        let mut running = start(&mut program(name).under_eos(&all));
        let (mut samples, mut most) = (0, 0);
        while running.child.try_wait().expect("waited").is_none() {
            most = most.max(resident_anonymous(running.pid()));
            samples += 1;
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let outcome = running.finish(LIMIT);
        assert_eq!(outcome.status, 0, "{}", outcome.stderr);
        assert!(samples >= 5, "{name} ended after {samples} samples");
        assert!(most <= allowed(budget), "{name}: {most} bytes resident, budget {budget}");
        let counted = number(&read_stats(&json)["nodes"][0], "resident_bytes_max");
        assert!(counted <= allowed(budget), "{name}: {counted} bytes counted, budget {budget}");
        let slack = (budget / 20).max(8 << 20);
        assert!(most <= counted + slack, "{name}: the kernel saw {most} bytes, --stats-json says {counted}");
    }
}

#[test]
fn a_program_that_fits_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let json = folder.path().join("stats.json");
    let name = "dfs";
    let program = program(name);
    let budget = (footprint_mib(name) << 20) * 2;
    let outcome = program.run(&format!("--local 2 --memory {budget} --stats-json {}", json.display()));
    assert_eq!(outcome.field("result"), program.natively().field("result"));
    let stats = read_stats(&json);
    for key in ["faults", "pulls", "pushes"] {
        assert_eq!(number(&stats["nodes"][0], key), 0, "{key}: {stats}");
    }
    assert_eq!(number(&stats, "jumps"), 0);
}
