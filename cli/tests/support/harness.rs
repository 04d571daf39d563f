//! Runs programs natively and under eos-rdma, with a time limit each, and compares.
#![allow(dead_code)] // each test file uses a part

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub const EXE: &str = env!("CARGO_BIN_EXE_eos-rdma");
/// Time limit of one run; far more than any takes on a machine of its own.
pub const LIMIT: Duration = Duration::from_secs(120);

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// The C fixtures, built once; `EOS_TEST_FIXTURES` names a folder where there is no compiler.
pub fn fixtures() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        if let Some(folder) = std::env::var_os("EOS_TEST_FIXTURES") {
            return folder.into();
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fixtures");
        let status =
            Command::new(root().join("scripts/fixtures")).arg(&folder).status().expect("scripts/fixtures runs");
        assert!(status.success(), "the fixtures could not be built");
        folder
    })
}

pub fn fixture(name: &str) -> PathBuf {
    fixtures().join(name)
}

/// A bench program. These are measured programs, so they are always the release build.
pub fn bench_program(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let path = target.join("release").join(name);
    assert!(path.exists(), "{} is missing; build it with: cargo build --release -p eos-bench", path.display());
    path
}

/// How a process ended.
#[derive(Debug)]
pub struct Outcome {
    pub stdout: Vec<u8>,
    pub stderr: String,
    /// Exit status, or minus the signal.
    pub status: i32,
}

impl Outcome {
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// The value behind `NAME=` in the last line.
    pub fn field(&self, name: &str) -> String {
        let text = self.stdout();
        let line = text.lines().last().unwrap_or_default().to_owned();
        let value = line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_else(|| panic!("no {name}= in {line:?}; stderr: {}", self.stderr)).to_owned()
    }
}

/// A process with its pipes drained; killed by pid, with its group, when dropped.
pub struct Running {
    pub child: Child,
    what: String,
    /// Value of [`MARK`] in the environment of the process and of all that it starts.
    mark: Option<OsString>,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
}

/// A variable by which processes that outlive their run are found, if a test sets it to something of its own.
pub const MARK: &str = "EOS_TEST_RUN";

/// Processes that have this mark in their environment.
fn marked(mark: &OsStr) -> Vec<u32> {
    let mut line = OsString::from(format!("{MARK}="));
    line.push(mark);
    let pids =
        std::fs::read_dir("/proc").expect("/proc").filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        is_alive(*pid) && environment.split(|&byte| byte == 0).any(|entry| entry == line.as_encoded_bytes())
    })
    .collect()
}

pub fn start(command: &mut Command) -> Running {
    let what = format!("{command:?}");
    let mark = command.get_envs().find(|(name, _)| *name == MARK).and_then(|(_, value)| value.map(OsStr::to_owned));
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    // SAFETY: only calls that are safe between fork and exec.
    unsafe { command.pre_exec(default_signals) };
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{what}: {error}"));
    let (out, err) = (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
    Running { child, what, mark, stdout: Some(drain(out)), stderr: Some(drain(err)) }
}

/// Whoever runs the tests may ignore signals (a shell's background job: SIGINT; nohup: SIGHUP), and a child inherits that.
fn default_signals() -> std::io::Result<()> {
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGUSR1, libc::SIGUSR2] {
        // SAFETY: SIG_DFL is a valid action for these.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    Ok(())
}

fn drain(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        bytes
    })
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end; panics when it does not come in time.
    pub fn finish(self, limit: Duration) -> Outcome {
        self.within(limit).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Waits for the end, or kills it and says so.
    pub fn within(mut self, limit: Duration) -> Result<Outcome, String> {
        let deadline = Instant::now() + limit;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("waited") {
                break status;
            }
            if Instant::now() >= deadline {
                let what = self.what.clone();
                self.kill();
                let stderr = String::from_utf8_lossy(&self.stderr.take().map(join).unwrap_or_default()).into_owned();
                return Err(format!("still running after {limit:?}: {what}\n{stderr}"));
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let left = self.end_marked(Duration::from_secs(5));
        let outcome = Outcome {
            stdout: self.stdout.take().map(join).unwrap_or_default(),
            stderr: String::from_utf8_lossy(&self.stderr.take().map(join).unwrap_or_default()).into_owned(),
            status: status.code().unwrap_or_else(|| -status.signal().expect("a signal")),
        };
        if left == 0 { Ok(outcome) } else { Err(format!("{left} processes were left behind: {}", self.what)) }
    }

    /// Gives marked processes a while to end, then kills them by pid; returns how many that were.
    fn end_marked(&self, patience: Duration) -> usize {
        let Some(mark) = &self.mark else { return 0 };
        let deadline = Instant::now() + patience;
        loop {
            let left = marked(mark);
            if left.is_empty() {
                return 0;
            }
            if Instant::now() >= deadline {
                for pid in &left {
                    // SAFETY: a system call without pointers, on a process that this test has started. It may be gone.
                    unsafe { libc::kill(i32::try_from(*pid).expect("a pid"), libc::SIGKILL) };
                }
                return left.len();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn kill(&mut self) {
        let group = i32::try_from(self.child.id()).expect("a pid");
        // SAFETY: a system call without pointers, on the group that this test has made.
        unsafe { libc::kill(-group, libc::SIGKILL) };
        let _ = self.child.wait();
        self.end_marked(Duration::ZERO);
    }
}

fn join(thread: JoinHandle<Vec<u8>>) -> Vec<u8> {
    thread.join().expect("no panic")
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.kill();
        }
    }
}

/// A program, its arguments and surroundings, to be run in two ways.
#[derive(Clone)]
pub struct Program {
    pub path: PathBuf,
    pub args: Vec<OsString>,
    /// Shell commands before it, such as `ulimit -s unlimited`.
    pub before: String,
    pub env_clear: bool,
}

impl Program {
    pub fn new(path: impl Into<PathBuf>, args: &[&str]) -> Self {
        let args = args.iter().map(OsString::from).collect();
        Self { path: path.into(), args, before: String::new(), env_clear: false }
    }

    pub fn fixture(name: &str, args: &[&str]) -> Self {
        Self::new(fixture(name), args)
    }

    pub fn before(self, shell: &str) -> Self {
        Self { before: format!("{shell} && "), ..self }
    }

    /// `words` in front, then the program, through a shell if there is something to do before.
    fn command(&self, words: Vec<OsString>) -> Command {
        let mut command = if self.before.is_empty() {
            let mut command = Command::new(&words[0]);
            command.args(&words[1..]);
            command
        } else {
            let mut command = Command::new("/bin/sh");
            command.arg("-c").arg(format!("{}exec \"$@\"", self.before)).arg("sh").args(&words);
            command
        };
        if self.env_clear {
            command.env_clear().env("B", "").env("A", "1");
        }
        command
    }

    pub fn natively(&self) -> Outcome {
        let words = std::iter::once(self.path.clone().into_os_string()).chain(self.args.clone()).collect();
        start(&mut self.command(words)).finish(LIMIT)
    }

    /// The command of `eos-rdma run OPTIONS PROGRAM -- ARGS`; `options` are separated by blanks.
    pub fn under_eos(&self, options: &str) -> Command {
        let mut words: Vec<OsString> = vec![EXE.into(), "run".into()];
        words.extend(options.split_whitespace().map(OsString::from));
        words.push(self.path.clone().into());
        words.push("--".into());
        words.extend(self.args.clone());
        self.command(words)
    }

    pub fn run(&self, options: &str) -> Outcome {
        start(&mut self.under_eos(options)).finish(LIMIT)
    }

    pub fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or(OsStr::new("?")).to_string_lossy().into_owned();
        self.args.iter().fold(name, |name, arg| format!("{name} {}", arg.to_string_lossy()))
    }

    /// Runs it natively once and with each of the options; every difference is collected.
    pub fn same(&self, all_options: &[&str]) {
        let native = self.natively();
        for options in all_options {
            let eos = self.run(options);
            assert!(
                eos.stdout == native.stdout && eos.status == native.status,
                "{} with {options}: status {} (natively {}), stderr: {}\n--- stdout\n{}\n--- natively\n{}",
                self.name(),
                eos.status,
                native.status,
                eos.stderr,
                eos.stdout(),
                native.stdout()
            );
        }
    }
}

/// Whether a process with this id exists and is no zombie.
pub fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

pub fn kill(pid: u32, signal: i32) {
    // SAFETY: a system call without pointers, on a process that this test has started.
    assert_eq!(unsafe { libc::kill(i32::try_from(pid).expect("a pid"), signal) }, 0, "pid {pid}");
}

pub fn wait_until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The children of a process.
/// Children of a daemon or of a run, and the run's local peers: nobody's children, known by the standard error that they share.
pub fn children(pid: u32) -> Vec<u32> {
    let listed = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let mut found: Vec<u32> = listed.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let stderr = |pid: u32| std::fs::read_link(format!("/proc/{pid}/fd/2")).ok();
    let own = stderr(pid);
    let is_worker = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.starts_with(b"eos-rdma\0worker\0") && own.is_some() && stderr(*pid) == own
    };
    let all = std::fs::read_dir("/proc").expect("/proc");
    let all = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    found.extend(all.filter(is_worker));
    found.sort_unstable();
    found.dedup();
    found
}

pub fn is_root() -> bool {
    // SAFETY: no arguments.
    unsafe { libc::geteuid() == 0 }
}
