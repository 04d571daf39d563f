//! The numbers of a run, as a table on stderr and as a JSON file.

use crate::error::CliError;
use comfy_table::{CellAlignment, Table, presets};
use eos_jumper::config::Report;
use eos_jumper::size::Size;
use eos_jumper::stats::{NodeStats, RunStats};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// Where the numbers go. Made before the program runs, since the program may change directory and
/// close or redirect its stderr.
pub struct StatsOutput {
    stderr: Option<File>,
    json: Option<PathBuf>,
    table: bool,
}

impl StatsOutput {
    /// Checks now what would else only fail when the program has run for hours.
    pub fn new(table: bool, json: Option<&Path>) -> Result<StatsOutput, CliError> {
        let checked = json
            .map(|path| writable_path(path).map_err(|source| CliError::StatsFile { path: path.to_owned(), source }));
        Ok(StatsOutput {
            stderr: io::stderr().as_fd().try_clone_to_owned().ok().map(File::from),
            json: checked.transpose()?,
            table,
        })
    }

    /// What to call at the end of the run; `None` if nobody wants to know.
    pub fn into_report(self) -> Option<Report> {
        match self.table || self.json.is_some() {
            true => Some(Box::new(move |stats| self.report(stats))),
            false => None,
        }
    }

    fn report(self, stats: &RunStats) {
        if self.table {
            self.say(&table(stats));
        }
        if let Some(path) = &self.json
            && let Err(error) = write_json(path, stats)
        {
            self.say(&format!("eos-rdma: cannot write {}: {error}\n", path.display()));
        }
    }

    fn say(&self, text: &str) {
        if let Some(mut stderr) = self.stderr.as_ref() {
            let _ = stderr.write_all(text.as_bytes());
        }
    }
}

/// The path from the root, if a file can be made or replaced there.
fn writable_path(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let folder = path.parent().ok_or(io::ErrorKind::IsADirectory)?;
    match fs::metadata(folder)?.is_dir() {
        true => Ok(path),
        false => Err(io::ErrorKind::NotADirectory.into()),
    }
}

/// Whoever reads the file sees the old contents or the new, nothing in between. What is no regular
/// file (a pipe, /dev/stdout) is simply written to.
fn write_json(path: &Path, stats: &RunStats) -> io::Result<()> {
    let mut text = serde_json::to_string_pretty(stats)?;
    text.push('\n');
    if path.exists() && !path.is_file() {
        return fs::OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes());
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let written =
        File::create(&part).and_then(|mut file| file.write_all(text.as_bytes())).and_then(|()| fs::rename(&part, path));
    if written.is_err() {
        let _ = fs::remove_file(&part);
    }
    written
}

/// The report for people.
pub fn table(stats: &RunStats) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header([
        "node",
        "transport",
        "cpu s",
        "faults",
        "pulls",
        "pushes",
        "resident max",
        "why this transport",
    ]);
    for node in &stats.nodes {
        table.add_row(row(node));
    }
    for column in table.column_iter_mut().skip(2).take(5) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut text = format!("\n{table}\n");
    // writing to a String cannot fail
    let _ = writeln!(
        text,
        " {:.3} s, status {}; {} jumps, {} pulls, {} pushes, {} clean drops, {} zero drops, {} zero fills, {} forwarded calls, {} sleepers",
        stats.wall_s,
        stats.exit_status,
        stats.jumps,
        stats.pulls,
        stats.pushes,
        stats.clean_drops,
        stats.zero_drops,
        stats.zero_fills,
        stats.forwarded_syscalls,
        stats.sleepers,
    );
    let _ = writeln!(
        text,
        " {} pages prefetched, accuracy {:.0} %, coverage {:.0} %",
        stats.prefetched,
        100.0 * stats.prefetch_accuracy,
        100.0 * stats.prefetch_coverage,
    );
    let _ = writeln!(
        text,
        " {} sent, {} received, on the wire {} and {}; pull p50 {:.1} us, p99 {:.1} us; jump p50 {:.1} us, p99 {:.1} us",
        Size(stats.bytes_sent),
        Size(stats.bytes_received),
        Size(stats.wire_bytes_sent),
        Size(stats.wire_bytes_received),
        stats.pull_us_p50,
        stats.pull_us_p99,
        stats.jump_us_p50,
        stats.jump_us_p99,
    );
    if stats.given_back_bytes > 0 {
        let _ = writeln!(text, " {} of peers' memory given back", Size(stats.given_back_bytes));
    }
    if stats.asked_back_bytes > 0 {
        let rate = Size((stats.asked_back_bytes as f64 / stats.asked_back_s.max(1e-6)) as u64);
        let _ = writeln!(
            text,
            " {} of that asked back by peers, given in {:.2} s ({rate}/s)",
            Size(stats.asked_back_bytes),
            stats.asked_back_s
        );
    }
    if stats.brought_home > 0 {
        let _ = writeln!(text, " {} pages came home while there was room", stats.brought_home);
    }
    text
}

fn row(node: &NodeStats) -> [String; 8] {
    [
        node.name.clone(),
        node.transport.clone().unwrap_or_else(|| "-".to_owned()),
        format!("{:.3}", node.cpu_s),
        node.faults.to_string(),
        node.pulls.to_string(),
        node.pushes.to_string(),
        Size(node.resident_bytes_max).to_string(),
        node.transport_reason.clone().unwrap_or_default(),
    ]
}

#[cfg(test)]
#[path = "stats_tests.rs"]
mod tests;
