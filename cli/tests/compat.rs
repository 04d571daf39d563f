//! Real programs: the scripts of cli/tests/compat print the same and end the same natively and with the program under
//! eos-rdma, with a budget of about a quarter of its memory, unless docs/compatibility.md says that it does not. A line there
//! that says "no" and works is an error too.
//!
//! A program that is not installed is a failure; with EOS_COMPAT=found such tests pass and say so. Full sizes and more seeds
//! with EOS_FULL=1.

#[path = "support/harness.rs"]
mod harness;
#[path = "support/table.rs"]
mod table;

use harness::{EXE, MARK, Outcome, root, start};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use table::{Mark, judge, table};

macro_rules! programs {
    ($($name:ident)*) => {
        $(#[test] fn $name() { check(stringify!($name)); })*
        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

programs! {
    bash_script busybox cc1 copies gcc git go java make_parallel memcached nginx nginx_single node numpy numpy_one_thread openmp
    perl perl_fork pigz postgres python_processes python_threads redis ruby sort_parallel sqlite_wal threads xz_threads
}

const WAYS: [&str; 2] = ["plain", "tortured"];

#[test]
fn the_table_names_every_script_and_says_what_it_runs() {
    let mut files: Vec<_> = std::fs::read_dir(root().join("cli/tests/compat"))
        .expect("the folder")
        .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".sh")?.to_owned()))
        .filter(|name| name != "lib")
        .collect();
    files.sort();
    assert_eq!(NAMES, files, "the list in this file, and the scripts");
    let lines = table("Programs");
    assert_eq!(NAMES, lines.keys().collect::<Vec<_>>(), "the list in this file, and docs/compatibility.md");
    for (name, line) in lines {
        assert_eq!(
            line.about,
            Script::read(&name).about,
            "docs/compatibility.md on {name}, and the comment in {name}.sh"
        );
        assert_eq!(line.complaint(WAYS.len()), None, "docs/compatibility.md on {name}");
    }
}

/// A script and what its comments say.
struct Script {
    path: PathBuf,
    about: String,
    needs: Vec<String>,
    memory: String,
}

impl Script {
    fn read(name: &str) -> Script {
        let path = root().join("cli/tests/compat").join(format!("{name}.sh"));
        let text = std::fs::read_to_string(&path).expect("readable");
        let after = |word: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(&format!("# {word}: ")));
            found.unwrap_or_else(|| panic!("{name}.sh does not say \"# {word}: \"")).to_owned()
        };
        let about = text.lines().nth(1).and_then(|line| line.strip_prefix("# ")).expect("a comment").to_owned();
        let (memory, needs) = (after("memory"), after("needs"));
        let memory = memory.split(' ').nth(usize::from(full())).expect("two budgets").to_owned();
        Script { path, about, needs: needs.split(' ').map(str::to_owned).collect(), memory }
    }

    /// What is not installed.
    fn missing(&self) -> Vec<&str> {
        let there = |need: &str| match need {
            "numpy" => succeeds("/usr/bin/python3 -c 'import numpy'"),
            "openblas" => succeeds("ls /usr/lib/x86_64-linux-gnu/openblas*/libblas.so.3"),
            "postgresql" => succeeds("ls /usr/lib/postgresql/*/bin/postgres"),
            need => succeeds(&format!("PATH=$PATH:/usr/sbin:/usr/local/bin; command -v {need}")),
        };
        self.needs.iter().map(String::as_str).filter(|need| !there(need)).collect()
    }

    /// Runs it with `before` in front of the program.
    fn run(&self, before: &str, limit: Duration) -> Result<Outcome, String> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let folder = tempfile::tempdir().expect("a folder");
        let mark = format!("compat-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut command = Command::new("bash");
        command.arg(&self.path).current_dir(&folder).env(MARK, mark).env("RUN", before);
        command.env("FULL", if full() { "1" } else { "0" });
        let outcome = start(&mut command).within(limit);
        let log = std::fs::read_to_string(folder.path().join("server.log")).unwrap_or_default();
        let last = log.lines().rev().take(3).collect::<Vec<_>>().join("\n");
        outcome.map(|outcome| Outcome { stderr: format!("{}{last}", outcome.stderr), ..outcome })
    }
}

fn succeeds(shell: &str) -> bool {
    let output = Command::new("sh").args(["-c", shell]).output();
    output.is_ok_and(|output| output.status.success())
}

fn full() -> bool {
    std::env::var_os("EOS_FULL").is_some_and(|value| value == "1")
}

fn check(name: &str) {
    let line = table("Programs").remove(name).unwrap_or_else(|| panic!("docs/compatibility.md does not have {name}"));
    let script = Script::read(name);
    let missing = script.missing();
    if !missing.is_empty() {
        let told = format!("{name}: not installed: {}; scripts/setup --compat installs it", missing.join(", "));
        assert!(
            std::env::var_os("EOS_COMPAT").is_some_and(|value| value == "found"),
            "{told}, EOS_COMPAT=found leaves it out"
        );
        eprintln!("{told}; left out");
        return;
    }
    let long = Duration::from_secs(if full() { 1800 } else { 240 });
    let native = script.run("", long).unwrap_or_else(|error| panic!("natively: {error}"));
    let mut failures = Vec::new();
    for (way, mark) in WAYS.into_iter().zip(line.marks) {
        let limit = if mark == Mark::Yes { long } else { long / 6 };
        let seeds = if full() { 1..=5 } else { 1..=1 };
        let options =
            if way == "plain" { vec![String::new()] } else { seeds.map(|seed| format!(" --torture {seed}")).collect() };
        let outcome = options.iter().try_for_each(|options| {
            let before = format!("{EXE} run --local 2 --memory {}{options} --", script.memory);
            script
                .run(&before, limit)
                .and_then(|seen| same(&seen, &native))
                .map_err(|error| format!("{before}: {error}"))
        });
        failures.extend(judge(mark, outcome).err().map(|error| format!("{name}, {way}: {error}")));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn same(seen: &Outcome, native: &Outcome) -> Result<(), String> {
    if seen.stdout == native.stdout && seen.status == native.status {
        return Ok(());
    }
    let (out, native_out) = (seen.stdout(), native.stdout());
    let at = out.lines().zip(native_out.lines()).take_while(|(a, b)| a == b).count();
    Err(format!(
        "status {} (natively {}), line {} is {:?} (natively {:?})\n  stderr: {}",
        seen.status,
        native.status,
        at + 1,
        out.lines().nth(at).unwrap_or_default(),
        native_out.lines().nth(at).unwrap_or_default(),
        seen.stderr.trim_end()
    ))
}
