//! What has been measured: one line of JSON for each run, written when it ends.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::FiguresError;
use super::case::Case;

/// A run that ended well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Seconds of the main phase; of one page for the probes.
    pub seconds: f64,
    /// Checksum of the program's answer.
    pub answer: String,
    /// Bytes that all nodes sent over the network, headers included, in the whole run.
    pub wire_bytes: Option<u64>,
    /// Pages pulled, pages pushed, jumps.
    pub moved: Option<[u64; 3]>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Well.
    Done(Run),
    /// It was ended after so many seconds.
    TooSlow {
        /// The limit.
        limit_s: u64,
    },
    /// It ended by itself, badly.
    Failed {
        /// What it said.
        what: String,
    },
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done(run) => write!(f, "{:.6} s", run.seconds),
            Self::TooSlow { limit_s } => write!(f, "more than {limit_s} s"),
            Self::Failed { what } => write!(f, "failed: {what}"),
        }
    }
}

/// One line.
#[derive(Serialize, Deserialize)]
struct Line {
    size: u64,
    round: u32,
    case: Case,
    outcome: Outcome,
}

/// The file, and what it says of programs of one size.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    size: u64,
    file: File,
    outcomes: BTreeMap<Case, BTreeMap<u32, Outcome>>,
}

impl Journal {
    /// Reads the file, if there is one. Lines of other sizes are kept and not looked at.
    ///
    /// # Errors
    /// A file that cannot be written, a line that is none.
    pub fn open(path: &Path, size: u64) -> Result<Self, FiguresError> {
        let fails = |source| FiguresError::File { path: path.display().to_string(), source };
        let text = if path.exists() { std::fs::read_to_string(path).map_err(fails)? } else { String::new() };
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(fails)?;
        let mut journal = Self { path: path.to_owned(), size, file, outcomes: BTreeMap::new() };
        for (index, line) in text.lines().enumerate() {
            let line: Line = serde_json::from_str(line).map_err(|error| FiguresError::Journal {
                path: path.display().to_string(),
                line: index + 1,
                what: error.to_string(),
            })?;
            if line.size == size {
                journal.outcomes.entry(line.case).or_default().insert(line.round, line.outcome);
            }
        }
        Ok(journal)
    }

    /// Whether the case has been measured in that round. One that was too slow once is not tried again.
    #[must_use]
    pub fn has(&self, case: &Case, round: u32) -> bool {
        self.outcomes.get(case).is_some_and(|rounds| {
            rounds.contains_key(&round) || rounds.values().any(|outcome| !matches!(outcome, Outcome::Done(_)))
        })
    }

    /// All that is known.
    #[must_use]
    pub fn outcomes(&self) -> &BTreeMap<Case, BTreeMap<u32, Outcome>> {
        &self.outcomes
    }

    /// Answer of the case's first good run.
    #[must_use]
    pub fn answer(&self, case: &Case) -> Option<&str> {
        self.outcomes.get(case)?.values().find_map(|outcome| match outcome {
            Outcome::Done(run) => Some(run.answer.as_str()),
            _ => None,
        })
    }

    /// Keeps an outcome.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add(&mut self, case: &Case, round: u32, outcome: Outcome) -> Result<(), FiguresError> {
        let fails = |source| FiguresError::File { path: self.path.display().to_string(), source };
        let line = Line { size: self.size, round, case: *case, outcome };
        let mut text = serde_json::to_string(&line).map_err(|error| fails(error.into()))?;
        text.push('\n');
        self.file.write_all(text.as_bytes()).map_err(fails)?;
        self.outcomes.entry(*case).or_default().insert(round, line.outcome);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::case::{Budget, Link, Method, Program};
    use super::*;

    #[test]
    fn what_was_measured_is_found_again_and_a_slow_case_is_not_tried_twice() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("runs.jsonl");
        let case = |method| Case::new(Program::Dfs, method, Budget(50), Link::Tcp1, 2).ok_or("no case");
        let (fast, slow) = (case(Method::Threshold(8))?, case(Method::Never)?);
        let done =
            Outcome::Done(Run { seconds: 1.5, answer: "ab".to_owned(), wire_bytes: Some(7), moved: Some([1, 2, 3]) });
        let mut journal = Journal::open(&path, 4096)?;
        journal.add(&fast, 1, done.clone())?;
        journal.add(&slow, 1, Outcome::TooSlow { limit_s: 9 })?;
        let again = Journal::open(&path, 4096)?;
        assert_eq!(again.outcomes(), journal.outcomes());
        assert!(again.has(&fast, 1) && !again.has(&fast, 2));
        assert!(again.has(&slow, 2));
        assert_eq!(again.answer(&fast), Some("ab"));
        assert!(!Journal::open(&path, 8192)?.has(&fast, 1));
        Ok(())
    }

    #[test]
    fn a_line_that_is_none_is_named() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("runs.jsonl");
        std::fs::write(&path, "{\n")?;
        let error = Journal::open(&path, 1).err().ok_or("accepted")?.to_string();
        assert!(error.contains("line 1") && error.contains("runs.jsonl"), "{error}");
        Ok(())
    }
}
