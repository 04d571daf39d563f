//! `--record` and `sim`: a trace tells what the run did, whatever becomes of its file.

#[path = "support/harness.rs"]
mod harness;

use eos_policy::sim::trace::{Trace, What};
use harness::{EXE, LIMIT, Outcome, Program, bench_program, start};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

fn program() -> Program {
    Program::new(bench_program("linear_search"), &["--size", "8M"])
}

/// Records a run; returns the trace and the statistics.
fn record(folder: &Path, options: &str) -> (Trace, Value) {
    let (file, json) = (folder.join("trace.eos"), folder.join("stats.json"));
    let program = program();
    let outcome = program.run(&format!("{options} --record {} --stats-json {}", file.display(), json.display()));
    assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""));
    assert_eq!(outcome.field("result"), program.natively().field("result"));
    let trace = Trace::decode(&std::fs::read(file).expect("written")).expect("a trace");
    let stats = std::fs::read_to_string(json).expect("written");
    (trace, serde_json::from_str(&stats).expect("JSON"))
}

fn pages(trace: &Trace, of: impl Fn(&What) -> bool) -> u64 {
    trace.events.iter().filter(|(_, event)| of(&event.what)).map(|(_, event)| event.pages).sum()
}

fn sim(words: &[&str]) -> Outcome {
    start(Command::new(EXE).arg("sim").args(words)).finish(LIMIT)
}

#[test]
fn a_trace_has_every_pull_and_push_and_jump_that_the_statistics_count() {
    for options in [
        "--local 1 --memory 2M --jump never",
        "--local 2 --memory 4M --jump 8",
        "--local 2 --memory 4M --jump 8 --transport tcp",
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let (trace, stats) = record(folder.path(), options);
        assert!(!trace.truncated && trace.header.command.contains("linear_search"), "{options}");
        assert_eq!(Some(pages(&trace, |what| matches!(what, What::Pull(_)))), stats["pulls"].as_u64(), "{options}");
        assert_eq!(Some(pages(&trace, |what| matches!(what, What::Push(_)))), stats["pushes"].as_u64(), "{options}");
        let arrivals = trace.events.iter().filter(|(_, event)| matches!(event.what, What::Arrive(_))).count();
        assert_eq!(Some(arrivals as u64), stats["jumps"].as_u64(), "{options}");
        assert_eq!(arrivals > 0, !options.contains("never"), "{options}");
    }
}

#[test]
fn a_trace_is_replayed_and_drawn_and_its_beginning_as_well() {
    let folder = tempfile::tempdir().expect("a folder");
    record(folder.path(), "--local 1 --memory 1M --jump never");
    let (file, plot) = (folder.path().join("trace.eos"), folder.path().join("plot.svg"));
    let (name, plot_name) = (file.to_str().expect("utf-8"), plot.to_str().expect("utf-8"));
    let seen = sim(&[name, "--plot", plot_name]);
    assert_eq!((seen.status, seen.stderr.as_str()), (0, ""));
    for word in ["never", "32", "auto", "second-chance-25%", "sieve", "optimum"] {
        assert!(seen.stdout().lines().any(|line| line.split_whitespace().next() == Some(word)), "{word}");
    }
    let svg = std::fs::read_to_string(plot).expect("drawn");
    assert!(svg.starts_with("<svg") && svg.contains("jumps"), "{}", &svg[..80]);
    let bytes = std::fs::read(&file).expect("read");
    std::fs::write(&file, &bytes[..bytes.len() / 2]).expect("cut");
    let half = sim(&[name, "--jump", "never,auto", "--policy", "fifo"]);
    assert_eq!(half.status, 0, "{}", half.stderr);
    assert!(half.stdout().contains("the end is missing"), "{}", half.stdout());
}

#[test]
fn what_cannot_be_simulated_or_recorded_is_told_in_one_sentence() {
    let folder = tempfile::tempdir().expect("a folder");
    record(folder.path(), "--local 1 --memory 2M --jump never");
    let file = folder.path().join("trace.eos");
    let newer = folder.path().join("newer.eos");
    let mut bytes = std::fs::read(&file).expect("read");
    bytes[8] = 77;
    std::fs::write(&newer, bytes).expect("written");
    let (file, newer) = (file.to_str().expect("utf-8"), newer.to_str().expect("utf-8"));
    let cases = [
        (&["/nonexistent"][..], "/nonexistent: No such file"),
        (&[EXE], "it is not a trace"),
        (&[newer], "version 77"),
        (&[file, "--policy", "mru"], "there are fifo, "),
        (&[file, "--jump", "often"], "\"auto\", \"never\" or a number"),
        (&[file, "--plot", "/nonexistent/x.svg"], "--plot"),
        (&[file, "--jump", "never", "--plot", "/dev/null"], "leave --jump out"),
    ];
    for (words, text) in cases {
        let seen = sim(words);
        assert_eq!(seen.status, 125, "{words:?}");
        assert!(seen.stderr.contains(text), "{words:?}: {}", seen.stderr);
    }
    for target in ["/nonexistent/trace", "/dev/full"] {
        let seen = program().run(&format!("--local 1 --memory 2M --record {target}"));
        assert_eq!((seen.status, seen.stderr.lines().count()), (125, 1), "{}", seen.stderr);
        assert!(seen.stderr.contains(target) && seen.stderr.contains("--record"), "{}", seen.stderr);
    }
}
