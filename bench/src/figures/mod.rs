//! The whole evaluation: what a user would pick instead (swap on zram, on a disk, over a network) against the runtime, for
//! the six programs, on links and numbers of nodes that one machine can imitate.
//!
//! | module | what it holds |
//! |---|---|
//! | [`options`] | the command line |
//! | [`case`] | one thing to measure: program, method, budget, link, nodes; and its name |
//! | [`terms`] | the words: programs, budgets, links |
//! | [`plan`] | which cases, in which order |
//! | [`child`] | a command with a time limit |
//! | [`network`] | namespaces, and daemons in them |
//! | [`baseline`] | swap under a memory limit |
//! | [`journal`] | what has been measured, one line of JSON each, so that an interrupted evaluation goes on |
//! | [`runner`] | carries a case out |
//! | [`summary`] | medians and spreads |
//! | [`aims`] | what should be reached, and what was |
//! | [`report`], [`plot`] | Markdown and SVG |

pub mod aims;
pub mod baseline;
pub mod case;
pub mod child;
pub mod journal;
pub mod network;
pub mod options;
pub mod plan;
pub mod plot;
pub mod report;
pub mod runner;
pub mod summary;
pub mod terms;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde::de::DeserializeOwned;

use case::{Case, Link, Method};
use journal::{Journal, Outcome};
use options::FiguresOptions;
use plan::Missing;
use runner::Runner;
use summary::Summary;

/// What ends an evaluation.
#[derive(Debug, thiserror::Error)]
pub enum FiguresError {
    /// A file or folder.
    #[error("{path}: {source}")]
    File {
        /// Which one.
        path: String,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// A command that must work did not.
    #[error("{command}: {what}")]
    Command {
        /// Its name.
        command: String,
        /// What it said.
        what: String,
    },
    /// A line of the journal.
    #[error("{path}, line {line}: {what}; remove the file to begin again")]
    Journal {
        /// The file.
        path: String,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// Ctrl-C, or SIGTERM.
    #[error("interrupted; the same command goes on where it stopped")]
    Interrupted,
    /// A drawing.
    #[error("drawing {path}: {what}")]
    Plot {
        /// The file.
        path: String,
        /// What went wrong.
        what: String,
    },
}

/// Runs what the journal does not have yet, then writes `report.md` and its drawings.
///
/// # Errors
/// A folder that cannot be written, a network that cannot be made, Ctrl-C. A case that fails is a result.
pub fn run(options: &FiguresOptions) -> Result<(), FiguresError> {
    let folder = &options.out;
    std::fs::create_dir_all(folder)
        .map_err(|source| FiguresError::File { path: folder.display().to_string(), source })?;
    let mut journal = Journal::open(&folder.join("runs.jsonl"), options.size)?;
    let (streams, lacks) = (folder.join("streams.json"), folder.join("missing.json"));
    let mut rates: BTreeMap<Link, f64> = read_json(&streams);
    let mut missing: Missing = read_json(&lacks);
    if !options.report_only {
        let stop = child::stop_on_signals();
        let mut runner = Runner::new(options, &stop)?;
        rates.append(&mut runner.streams);
        missing = runner.missing.clone();
        write_json(&streams, &rates)?;
        write_json(&lacks, &missing)?;
        measure(&plan::sweep(options, &missing), &runner, &mut journal)?;
        measure(&plan::rounds(options, &missing, &journal), &runner, &mut journal)?;
    }
    report::write(options, &Summary::new(&journal, &missing, &rates))
}

/// What a file of an earlier call holds; nothing where there is none.
fn read_json<T: DeserializeOwned + Default>(path: &Path) -> T {
    std::fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), FiguresError> {
    let fails = |source| FiguresError::File { path: path.display().to_string(), source };
    let text = serde_json::to_vec(value).map_err(|error| fails(error.into()))?;
    std::fs::write(path, text).map_err(fails)
}

/// Carries out what is lacking, with a bar where there is a terminal and a line each where there is none.
fn measure(turns: &[(Case, u32)], runner: &Runner<'_>, journal: &mut Journal) -> Result<(), FiguresError> {
    let lacking: Vec<_> = turns.iter().filter(|(case, round)| !journal.has(case, *round)).collect();
    let bar = ProgressBar::new(lacking.len() as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} runs, {elapsed} so far, {eta} left: {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_secs(1));
    for (case, round) in lacking {
        // Too slow in a round of this very call.
        if journal.has(case, *round) {
            bar.inc(1);
            continue;
        }
        bar.set_message(case.name());
        let outcome = answer_checked(case, runner.carry_out(case)?, journal);
        if bar.is_hidden() {
            eprintln!("{} round {round}: {outcome}", case.name());
        }
        journal.add(case, *round, outcome)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

/// A run whose answer is not the native one is a failure, however fast it was.
fn answer_checked(case: &Case, outcome: Outcome, journal: &Journal) -> Outcome {
    let native = journal.answer(&case.with_method(Method::Native));
    match (&outcome, native) {
        (Outcome::Done(run), Some(native)) if run.answer != native => {
            Outcome::Failed { what: format!("wrong answer {}, natively {native}", run.answer) }
        }
        _ => outcome,
    }
}
