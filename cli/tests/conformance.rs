//! Behaviours of Linux, one C program each (cli/tests/conformance): what it prints and how it ends is the same natively and
//! under eos-rdma, unless docs/compatibility.md says that it is not. A line there that says "no" and works is an error too.
//!
//! More seeds with EOS_FULL=1.

#[path = "support/harness.rs"]
mod harness;
#[path = "support/table.rs"]
mod table;

use harness::{LIMIT, MARK, Outcome, Program, root, start};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use table::{Mark, judge, table};

/// Time limit of a run that is not expected to work.
const SHORT: Duration = Duration::from_secs(20);

macro_rules! behaviours {
    ($($name:ident)*) => {
        $(#[test] fn $name() { check(stringify!($name)); })*
        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

behaviours! {
    clock_image clock_monotonic clock_signals clock_sleep clock_threads file_big file_close_all file_copies file_descriptors file_epoll file_eventfd
    file_inotify file_map_private file_map_shared file_passing file_poll file_proc_self file_sigio file_system
    file_terminal file_vectors memory_brk memory_code memory_coroutines memory_dlopen memory_dontneed
    memory_efault memory_fixed memory_lock memory_malloc memory_memfd memory_mincore memory_mremap
    memory_mremap_file memory_pattern memory_protect memory_self memory_sparse memory_stack_bounds memory_sysv
    net_server net_single net_tcp net_udp net_unix process_atfork process_big_exec process_exec
    process_exec_thread process_files process_fork_basics process_fork_memory process_fork_threads
    process_fork_tree process_groups process_kill process_limits process_orphan process_pipe process_robust
    process_script process_shared process_shell process_sigchld process_spawn process_vfork process_wait
    signal_alarm signal_altstack signal_basics signal_bus signal_busy signal_death signal_fpe
    signal_handler_memory signal_info signal_longjmp signal_mask signal_nested signal_pipe signal_queue
    signal_reserved signal_restart signal_signalfd signal_sigsuspend signal_sigsys signal_sigwait
    signal_stack_growth signal_timer signal_ucontext signal_vectors signal_write_barrier thread_affinity
    thread_aio thread_away thread_barrier thread_cancel thread_churn thread_clear_tid thread_condition thread_crash
    thread_credentials thread_detached thread_exit_all thread_exit_main thread_faults thread_futex thread_held_page thread_ids
    thread_interrupt thread_join thread_kill thread_map_race thread_memory thread_mutex thread_mutex_pi
    thread_mutex_robust thread_names thread_once thread_pipe thread_queue thread_rwlock thread_same_pages
    thread_sleepers thread_stacks thread_stop_world thread_timer thread_tls
}

#[test]
fn the_table_names_every_program_and_says_what_it_does() {
    let sources = root().join("cli/tests/conformance");
    let mut files: Vec<_> = std::fs::read_dir(&sources)
        .expect("the folder")
        .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".c")?.to_owned()))
        .collect();
    files.sort();
    assert_eq!(NAMES, files, "the list in this file, and the C files");
    let lines = table("Behaviours");
    assert_eq!(NAMES, lines.keys().collect::<Vec<_>>(), "the list in this file, and docs/compatibility.md");
    for (name, line) in lines {
        let source = std::fs::read_to_string(sources.join(format!("{name}.c"))).expect("readable");
        let about = source.split_once("/*").and_then(|(_, rest)| rest.split_once("*/")).expect("a comment first").0;
        let about = about.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(line.about, about, "docs/compatibility.md on {name}, and the first comment of {name}.c");
        assert_eq!(line.complaint(ways().len()), None, "docs/compatibility.md on {name}");
    }
}

/// What agrees with native in the tables above has moved with all its threads, too.
#[test]
fn programs_with_threads_jump() {
    for name in ["thread_away", "thread_condition", "thread_held_page"] {
        assert!(counted(name, "--torture 2", "jumps") > 0, "{name}");
    }
}

/// Where execution jumps at every pull there is always a thread that falls asleep away from home.
#[test]
fn threads_that_sleep_go_home_alone() {
    let runs = (0..5).map(|_| counted("thread_sleepers", "--jump 1", "sleepers"));
    assert!(runs.into_iter().any(|sleepers| sleepers > 0));
}

/// Runs a program and tells one of its statistics.
fn counted(name: &str, options: &str, what: &str) -> u64 {
    let folder = tempfile::tempdir().expect("a folder");
    let json = folder.path().join("stats.json");
    let options = format!("--local 2 --memory 8M {options} --stats-json {}", json.display());
    let seen = run(Program::new(programs().join(name), &[]).under_eos(&options), LIMIT);
    assert_eq!(seen.unwrap_or_else(|error| panic!("{name}: {error}")).status, 0, "{name}");
    let stats: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).expect("written")).expect("JSON");
    stats[what].as_u64().unwrap_or_else(|| panic!("{name}: {what} in {stats}"))
}

/// The columns of the table, and the options of the runs that each stands for.
fn ways() -> [(&'static str, Vec<String>); 3] {
    let full = std::env::var_os("EOS_FULL").is_some_and(|value| value == "1");
    let mut tortured = vec!["--local 2 --memory 4M --transport tcp --torture 3".to_owned()];
    tortured.extend((1..=if full { 10 } else { 1 }).map(|seed| format!("--local 2 --memory 8M --torture {seed}")));
    [
        ("plain", vec!["--local 2 --memory 8M".to_owned()]),
        ("tortured", tortured),
        ("tcp", vec!["--local 2 --memory 8M --transport tcp".to_owned()]),
    ]
}

fn programs() -> &'static Path {
    static FOLDER: OnceLock<std::path::PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance");
        let status = std::process::Command::new(root().join("scripts/conformance")).arg(&folder).status();
        assert!(status.expect("scripts/conformance runs").success(), "the programs could not be built");
        folder
    })
}

fn check(name: &str) {
    let line = table("Behaviours").remove(name).unwrap_or_else(|| panic!("docs/compatibility.md does not have {name}"));
    let program = Program::new(programs().join(name), &[]);
    let path = program.path.clone();
    let native = run(std::process::Command::new(path), LIMIT).unwrap_or_else(|error| panic!("natively: {error}"));
    let well = native.status <= 0 && !native.stdout().contains(": NO\n") && native.stderr.is_empty();
    assert!(well, "natively: status {}\n{}{}", native.status, native.stdout(), native.stderr);
    let mut failures = Vec::new();
    for ((way, runs), mark) in ways().into_iter().zip(line.marks) {
        let limit = if mark == Mark::Yes { LIMIT } else { SHORT };
        let outcome = runs.iter().try_for_each(|options| {
            run(program.under_eos(options), limit)
                .and_then(|seen| same(&seen, &native))
                .map_err(|error| format!("with {options}: {error}"))
        });
        failures.extend(judge(mark, outcome).err().map(|error| format!("{name}, {way}: {error}")));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn run(mut command: std::process::Command, limit: Duration) -> Result<Outcome, String> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let mark = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    start(command.env(MARK, mark)).within(limit)
}

fn same(seen: &Outcome, native: &Outcome) -> Result<(), String> {
    if seen.stdout == native.stdout && seen.stderr == native.stderr && seen.status == native.status {
        return Ok(());
    }
    let (out, native_out) = (seen.stdout(), native.stdout());
    let differ = out.lines().zip(native_out.lines()).find(|(a, b)| a != b);
    let differ = differ.map_or_else(
        || format!("{} lines instead of {}", out.lines().count(), native_out.lines().count()),
        |(a, b)| format!("\n  seen     {a}\n  natively {b}"),
    );
    Err(format!("status {} (natively {}), {differ}\n  stderr: {}", seen.status, native.status, seen.stderr.trim_end()))
}
