//! `report.md`: tables, aims, what is missing, drawings.

use std::fmt::Write as _;
use std::path::Path;

use super::FiguresError;
use super::case::{Method, Program};
use super::options::FiguresOptions;
use super::plan::{self, Place};
use super::summary::{Cell, Summary, Times};
use super::{aims, plot};

/// Columns of a table; the best threshold of a place's sweep stands after `never`.
const COLUMNS: [Method; 5] = [Method::Native, Method::Zram, Method::Disk, Method::Network, Method::Never];

/// Writes the report and its drawings into the folder of the options.
///
/// # Errors
/// A file cannot be written.
pub fn write(options: &FiguresOptions, summary: &Summary<'_>) -> Result<(), FiguresError> {
    let drawings = plot::all(options, summary)?;
    let mut text = head(options);
    let groups = groups(options);
    for group in &groups {
        text.push_str(&times_table(group, summary));
        text.push_str(&traffic_table(group, summary));
    }
    text.push_str(&aims_table(options, summary));
    text.push_str(&missing_list(options, summary));
    for drawing in drawings {
        let _ = write!(text, "\n![{drawing}]({drawing})\n");
    }
    let path = options.out.join("report.md");
    std::fs::write(&path, text).map_err(|source| FiguresError::File { path: path.display().to_string(), source })?;
    println!("{}", path.display());
    Ok(())
}

fn head(options: &FiguresOptions) -> String {
    let first_value = |path: &str, key: &str| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line.split_once(':').map_or(String::new(), |(_, value)| value.trim().to_owned())
    };
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let processors = processors_count();
    format!(
        "# Evaluation\n\nEach program uses {} MiB. Medians of {} runs that took turns, fastest and slowest in brackets; seconds of the main \
         phase, for `scan` and `random` microseconds of a page.\n\n{}, {processors} processors, Linux {}. Everything ran on processor {:?}.\n\
         Made by `eos-bench figures`; a run that took more than {} s was ended.\n",
        options.size >> 20,
        options.runs,
        first_value("/proc/cpuinfo", "model name"),
        kernel.trim(),
        options.cpus,
        options.limit,
    )
}

/// Processors of the machine; this process may be kept on one of them.
fn processors_count() -> usize {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    text.lines().filter(|line| line.starts_with("processor")).count()
}

/// Places that share everything but the program.
fn groups(options: &FiguresOptions) -> Vec<Vec<Place>> {
    let mut groups: Vec<Vec<Place>> = Vec::new();
    for place in plan::places(options) {
        match groups.iter_mut().find(|group| (group[0].1, group[0].2, group[0].3) == (place.1, place.2, place.3)) {
            Some(group) => group.push(place),
            None => groups.push(vec![place]),
        }
    }
    groups.sort_by_key(|group| (group[0].2, group[0].3, std::cmp::Reverse(group[0].1)));
    groups
}

fn program_name(program: Program) -> String {
    clap::ValueEnum::to_possible_value(&program).map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn times_table(group: &[Place], summary: &Summary<'_>) -> String {
    let (_, budget, link, nodes) = group[0];
    let mut text = format!("\n## {link}, {nodes} nodes, {budget} % of the memory at home\n\n| program |");
    COLUMNS.iter().for_each(|method| {
        let _ = write!(text, " {method} |");
    });
    text.push_str(" best threshold | auto |\n|---|---|---|---|---|---|---|---|\n");
    for &place in group {
        let _ = write!(text, "| {} |", program_name(place.0));
        for method in COLUMNS {
            let _ = write!(text, " {} |", shown(place, summary.cell(place, method)));
        }
        let best = summary
            .best(place)
            .map_or(String::new(), |method| format!("{} (at {method})", shown(place, summary.cell(place, method))));
        let _ = writeln!(text, " {best} | {} |", shown(place, summary.cell(place, Method::Auto)));
    }
    text
}

fn shown(place: Place, cell: Option<Cell>) -> String {
    match cell {
        None => String::new(),
        Some(Cell::Missing(_)) => "missing".to_owned(),
        Some(Cell::Failed(_)) => "failed".to_owned(),
        Some(Cell::TooSlow(limit_s)) => format!("> {limit_s}"),
        Some(Cell::Times(times)) => {
            let (factor, digits) = if place.0.is_workload() { (1.0, 3) } else { (1e6, 2) };
            let Times { median, low, high, .. } = times;
            format!("{:.digits$} [{:.digits$}, {:.digits$}]", median * factor, low * factor, high * factor)
        }
    }
}

fn traffic_table(group: &[Place], summary: &Summary<'_>) -> String {
    let mut text =
        "\nOf whole runs, setting up included:\n\n| program | method | MB on the wire | pulls | pushes | jumps |\n\
                    |---|---|---|---|---|---|\n"
            .to_owned();
    for &place in group {
        let methods = [Some(Method::Network), Some(Method::Never), summary.best(place), Some(Method::Auto)];
        for method in methods.into_iter().flatten() {
            let Some(times) = summary.times(place, method) else {
                continue;
            };
            let wire = times.wire_bytes.map_or(String::new(), |bytes| format!("{:.1}", bytes / 1e6));
            let moved = times.moved.map(|moved| moved.map(|count| format!("{count:.0}"))).unwrap_or_default();
            let _ = writeln!(
                text,
                "| {} | {method} | {wire} | {} | {} | {} |",
                program_name(place.0),
                moved[0],
                moved[1],
                moved[2]
            );
        }
    }
    text
}

fn aims_table(options: &FiguresOptions, summary: &Summary<'_>) -> String {
    let mut text = "\n## Aims\n\n| aim | measured | |\n|---|---|---|\n".to_owned();
    for aim in aims::all(options, summary) {
        text.push_str(&aim.row());
        text.push('\n');
    }
    for (link, rate) in summary.streams {
        let _ = writeln!(text, "\nA plain stream (iperf3) over {link}: {:.1} MB/s.", rate / 1e6);
    }
    text
}

fn missing_list(options: &FiguresOptions, summary: &Summary<'_>) -> String {
    let mut lines: Vec<String> = Vec::new();
    lines.extend(summary.missing().methods.iter().map(|(method, why)| format!("{method}: {why}")));
    lines.extend(summary.missing().links.iter().map(|(link, why)| format!("{link}: {why}")));
    lines.extend(summary.missing().streams.iter().map(|(link, why)| format!("a plain stream over {link}: {why}")));
    for place in plan::places(options) {
        for method in options.methods.iter().copied().chain(summary.best(place)) {
            if let (Some(Cell::Failed(what)), Some(case)) = (summary.cell(place, method), plan::case(place, method)) {
                lines.push(format!("{}: {what}", case.name()));
            }
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    lines.retain(|line| seen.insert(line.clone()));
    let mut text = "\n## Missing and failed\n\n".to_owned();
    if lines.is_empty() {
        text.push_str("Nothing.\n");
    }
    lines.iter().for_each(|line| {
        let _ = writeln!(text, "- {line}");
    });
    text
}

/// Name of a drawing beside the report.
#[must_use]
pub fn relative(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
