//! Runs of `eos-rdma` with a limit of time, for the end-to-end tests.
#![allow(dead_code)] // each test file uses a part

use assert_cmd::Command;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub const EXE: &str = env!("CARGO_BIN_EXE_eos-rdma");

/// Whether the full sizes and all seeds were asked for (scripts/programs-full).
pub fn full() -> bool {
    std::env::var_os("EOS_FULL").is_some_and(|value| value == "1")
}

/// How a run went. A run over the limit is killed by its process id and has no status; its peers end with it.
pub struct Output {
    pub status: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
    pub took: Duration,
}

impl Output {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// Where and for how long a command runs.
#[derive(Clone)]
pub struct Eos {
    pub limit: Duration,
    /// Standard input; nothing unless set.
    pub input: Option<PathBuf>,
    pub folder: PathBuf,
}

impl Eos {
    pub fn new(folder: &Path) -> Self {
        Self { limit: Duration::from_secs(240), input: None, folder: folder.to_owned() }
    }

    /// `eos-rdma` with these words.
    pub fn run<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Output {
        self.native(EXE, words)
    }

    /// Any program as it is.
    pub fn native<S: AsRef<OsStr>>(&self, program: impl AsRef<OsStr>, words: impl IntoIterator<Item = S>) -> Output {
        let mut command = Command::new(program.as_ref());
        command.args(words).current_dir(&self.folder).env("LC_ALL", "C").timeout(self.limit);
        if let Some(input) = &self.input {
            command.pipe_stdin(input).expect("the input can be read");
        }
        let start = Instant::now();
        let output = command.output();
        let output = output.unwrap_or_else(|error| panic!("{}: {error}", program.as_ref().to_string_lossy()));
        Output {
            status: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            took: start.elapsed(),
        }
    }
}

/// The file of a program of the distribution.
pub fn find(name: &str) -> PathBuf {
    let candidate = ["/usr/bin", "/bin", "/usr/local/bin"].map(|folder| Path::new(folder).join(name));
    let found = candidate.into_iter().find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{name} is missing; scripts/setup installs it"))
}
