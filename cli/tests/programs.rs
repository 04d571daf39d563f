//! Unmodified programs of the distribution, and of every kind of executable, over two local peers with little memory: what
//! they write, and how they end, is what a native run writes, whatever the transport and under torture.
//!
//! Small inputs and few seeds unless `EOS_FULL=1`; scripts/programs-full sets it and prints what every run took.

#[path = "programs/input.rs"]
mod input;
mod support;

use input::{text, text_of};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use support::{Eos, Output, find, full};

/// One program with its arguments.
struct Job {
    name: &'static str,
    program: PathBuf,
    words: Vec<OsString>,
    input: Option<PathBuf>,
    /// The budget: about a quarter of its memory.
    memory: &'static str,
    /// Its memory fits the least budget, so that only torture moves anything.
    fits: bool,
}

impl Job {
    fn new(name: &'static str, program: PathBuf, words: &[&str], memory: &'static str) -> Self {
        Self { name, program, words: words.iter().map(OsString::from).collect(), input: None, memory, fits: false }
    }

    fn reading(self, input: &Path) -> Self {
        Self { input: Some(input.to_owned()), ..self }
    }

    fn fitting(self, fits: bool) -> Self {
        Self { fits, ..self }
    }

    /// Compares with a native run: plain, over tcp, there with everything compressed too, and with each seed.
    fn check(&self, folder: &Path) {
        let limit = Duration::from_secs(if full() { 600 } else { 240 });
        let eos = Eos { limit, input: self.input.clone(), ..Eos::new(folder) };
        let native = eos.native(&self.program, &self.words);
        let mut ways = vec![vec![], words(&["--transport", "tcp"]), words(&["--transport", "tcp", "--torture", "21"])];
        ways.push(words(&["--transport", "tcp", "--torture", "22", "--compress", "on"]));
        ways.extend((1..=seeds()).map(|seed| words(&["--torture", &seed.to_string()])));
        let failures: Vec<_> = ways.iter().filter_map(|way| self.check_one(way, &eos, &native).err()).collect();
        assert!(failures.is_empty(), "{} of {} runs:\n{}", failures.len(), ways.len(), failures.join("\n"));
    }

    fn check_one(&self, way: &[String], eos: &Eos, native: &Output) -> Result<(), String> {
        let numbers = eos.folder.join("numbers.json");
        let mut command: Vec<OsString> = words(&["run", "--local", "2", "--memory", self.memory, "--stats-json"])
            .into_iter()
            .map(Into::into)
            .collect();
        command.push(numbers.clone().into());
        command.extend(way.iter().map(Into::into));
        command.extend([OsString::from("--"), self.program.clone().into()]);
        command.extend(self.words.iter().cloned());
        let seen = eos.run(&command);
        let outcome = same(&seen, native)
            .and_then(|()| moved(&numbers, !self.fits || way.iter().any(|word| word == "--torture")));
        let told = outcome.as_ref().map_or_else(|error| format!("FAILED {error}"), Clone::clone);
        eprintln!("{:<14} {:<36} {:>7.2} s  {told}", self.name, way.join(" "), seen.took.as_secs_f64());
        outcome.map(drop).map_err(|error| format!("{command:?}: {error}"))
    }
}

/// Seeds of the torture: two, or all twenty, or as many as EOS_SEEDS says.
fn seeds() -> usize {
    let told = std::env::var("EOS_SEEDS").ok().and_then(|count| count.parse().ok());
    told.unwrap_or(amount(2, 20))
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|&word| word.to_owned()).collect()
}

fn same(seen: &Output, native: &Output) -> Result<(), String> {
    if seen.status != native.status {
        let complaint = seen.stderr.chars().take(400).collect::<String>();
        return Err(format!("status {:?} instead of {:?}: {complaint}", seen.status, native.status));
    }
    if seen.stdout != native.stdout {
        let at = seen.stdout.iter().zip(&native.stdout).take_while(|(a, b)| a == b).count();
        return Err(format!("{} bytes out instead of {}, alike up to {at}", seen.stdout.len(), native.stdout.len()));
    }
    if seen.stderr == native.stderr { Ok(()) } else { Err(format!("on standard error: {}", seen.stderr)) }
}

/// What moved, in words; an error if nothing did in a run that must move something.
fn moved(numbers: &Path, must_move: bool) -> Result<String, String> {
    let text = std::fs::read(numbers).map_err(|error| error.to_string())?;
    let numbers: serde_json::Value = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    let count = |key: &str| numbers[key].as_u64().unwrap_or(0);
    let resident = numbers["nodes"][0]["resident_bytes_max"].as_u64().unwrap_or(u64::MAX);
    let line = format!(
        "{} jumps, {} pulls, {} pushes, {} forwarded, at most {} KiB at home",
        count("jumps"),
        count("pulls"),
        count("pushes"),
        count("forwarded_syscalls"),
        resident >> 10
    );
    let nothing = must_move && count("jumps") + count("pushes") == 0;
    if nothing { Err(format!("nothing moved: {line}")) } else { Ok(line) }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// The full amount, or the one for every day.
fn amount(everyday: usize, all: usize) -> usize {
    if full() { all } else { everyday }
}

/// The budget for the full amount, or for every day.
fn budget(everyday: &'static str, all: &'static str) -> &'static str {
    if full() { all } else { everyday }
}

#[test]
fn sort_in_memory_and_by_way_of_files() {
    let folder = folder();
    text(folder.path(), amount(4, 200));
    Job::new("sort", find("sort"), &["--parallel=1", "text"], budget("3M", "128M")).check(folder.path());
    let fixed = ["--parallel=1", if full() { "-S64M" } else { "-S2M" }, "-T.", "-k2", "text"];
    Job::new("sort -S", find("sort"), &fixed, budget("1M", "16M")).check(folder.path());
}

fn compress_and_expand(
    names: [&'static str; 2],
    pack: &[&str],
    everyday_mib: usize,
    all_mib: usize,
    memory: [&'static str; 2],
) {
    let folder = folder();
    let plain = text(folder.path(), amount(everyday_mib, all_mib));
    Job::new(names[0], find(names[0]), pack, memory[0])
        .reading(&plain)
        .fitting(names[0] == "gzip")
        .check(folder.path());
    let packed = folder.path().join("packed");
    let eos = Eos { input: Some(plain), ..Eos::new(folder.path()) };
    std::fs::write(&packed, eos.native(find(names[0]), pack).stdout).expect("written");
    Job::new(names[1], find(names[0]), &["-dc"], memory[1])
        .reading(&packed)
        .fitting(names[0] == "gzip")
        .check(folder.path());
}

#[test]
fn bzip2_there_and_back() {
    compress_and_expand(["bzip2", "bzip2 -d"], &["-c"], 2, 50, ["2M", "1M"]);
}

#[test]
fn gzip_there_and_back() {
    compress_and_expand(["gzip", "gzip -d"], &["-nc"], 3, 100, ["1M", "1M"]);
}

#[test]
fn xz_there_and_back() {
    let (level, memory) = if full() { ("-6", ["24M", "3M"]) } else { ("-1", ["3M", "1M"]) };
    compress_and_expand(["xz", "xz -d"], &["-T1", level, "-c"], 2, 20, memory);
}

#[test]
fn python_with_dicts_big_integers_a_large_list_and_files() {
    let folder = folder();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/work.py");
    let mib = amount(16, 300).to_string();
    Job::new("python3", python(), &[script, &mib], budget("6M", "100M")).check(folder.path());
}

/// A real interpreter: `python3` may be a script that looks for one.
fn python() -> PathBuf {
    let usual = Path::new("/usr/bin/python3");
    if usual.exists() {
        return usual.to_owned();
    }
    let asked = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output();
    let asked = asked.expect("python3 is there; scripts/setup installs it");
    PathBuf::from(String::from_utf8_lossy(&asked.stdout).trim())
}

#[test]
fn sqlite_with_a_table_an_index_and_queries() {
    let folder = folder();
    let rows = amount(20_000, 1_000_000);
    let statements = format!(
        "drop table if exists t; create table t(a integer, b text);
         with recursive c(x) as (select 1 union all select x + 1 from c where x < {rows})
             insert into t select x, printf('%08x', (x * 2654435761) % 4294967296) from c;
         create index i on t(b);
         select count(*), sum(a) from t where b like '0%';
         select a, b from t order by b limit 20;
         select substr(b, 1, 1) as k, count(*), max(a) from t group by k order by k;"
    );
    let input = folder.path().join("statements");
    std::fs::write(&input, statements).expect("written");
    Job::new("sqlite3 memory", find("sqlite3"), &[":memory:"], budget("1M", "16M"))
        .reading(&input)
        .check(folder.path());
    Job::new("sqlite3 file", find("sqlite3"), &["t.db"], budget("1M", "2M")).reading(&input).check(folder.path());
}

#[test]
fn awk_of_both_kinds() {
    let folder = folder();
    text(folder.path(), amount(3, 50));
    let program = "{ c[substr($1, 1, 4)]++; w[$2] += length($0) }
        END { for (k in c) s += c[k] * index(\"0123456789abcdef\", substr(k, 3, 1)); print s, length(c), w[\"the\"], sqrt(s) }";
    for name in ["mawk", "gawk"] {
        Job::new(name, find(name), &[program, "text"], budget("2M", "4M")).check(folder.path());
    }
}

#[test]
fn every_kind_of_executable_and_a_script() {
    let folder = folder();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/table.c");
    let nodes = amount(40_000, 1_000_000).to_string();
    for (name, flags) in [
        ("static", &["-static"][..]),
        ("static-pie", &["-static-pie", "-fPIE"]),
        ("non-PIE", &["-no-pie", "-fno-pie"]),
        ("PIE", &["-pie", "-fPIE"]),
    ] {
        let program = folder.path().join(name);
        let built = Command::new("cc").args(["-O2", source, "-o"]).arg(&program).args(flags).status();
        assert!(built.expect("cc is there").success());
        Job::new(name, program, &[&nodes], budget("1M", "16M")).check(folder.path());
    }
    // The shell reads such input byte by byte: each is a system call.
    let lines = text_of(folder.path(), amount(32 << 10, 256 << 10));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/count.sh");
    Job::new("#! script", script.into(), &["one", "two words"], "1M")
        .reading(&lines)
        .fitting(true)
        .check(folder.path());
}
