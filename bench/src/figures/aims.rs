//! What should be reached, and what was.

use std::fmt::Write as _;

use super::case::{Budget, Link, Method, Program};
use super::options::FiguresOptions;
use super::summary::{Summary, geometric_mean};

/// Bytes of a page.
const PAGE: f64 = 4096.0;

/// One aim.
#[derive(Clone, Debug, PartialEq)]
pub struct Aim {
    /// What should be, with its bound.
    pub what: String,
    /// What was measured; none where something that it needs was not.
    pub value: Option<f64>,
    /// Whether `value` keeps the bound.
    pub kept: bool,
}

impl Aim {
    fn at_most(what: &str, bound: f64, value: Option<f64>) -> Self {
        Self { what: format!("{what}: at most {bound}"), value, kept: value.is_some_and(|value| value <= bound) }
    }

    fn at_least(what: &str, bound: f64, value: Option<f64>) -> Self {
        Self { what: format!("{what}: at least {bound}"), value, kept: value.is_some_and(|value| value >= bound) }
    }

    /// The aim as a row of a Markdown table.
    #[must_use]
    pub fn row(&self) -> String {
        let mut row = format!("| {} | ", self.what);
        match self.value {
            Some(value) => {
                let _ = write!(row, "{value:.3} | {} |", if self.kept { "kept" } else { "**missed**" });
            }
            None => row.push_str("not measured | |"),
        }
        row
    }
}

/// All aims, with what this evaluation says of them.
#[must_use]
pub fn all(options: &FiguresOptions, summary: &Summary<'_>) -> Vec<Aim> {
    let nodes = options.nodes.first().copied().unwrap_or(2);
    let mut aims = native_speed(summary, options, nodes);
    aims.extend(pages(summary, nodes));
    for link in [Link::Tcp1, Link::Tcp10] {
        aims.extend(link_used(summary, options, link, nodes));
    }
    aims.extend(jumping(summary, nodes));
    aims
}

/// The six, of those that the ratio is known of.
fn six(ratio: impl Fn(Program) -> Option<f64>) -> Vec<f64> {
    Program::ALL.into_iter().filter(|program| program.is_workload()).filter_map(ratio).collect()
}

fn worst(ratios: &[f64]) -> Option<f64> {
    ratios.iter().copied().max_by(f64::total_cmp)
}

fn native_speed(summary: &Summary<'_>, options: &FiguresOptions, nodes: u8) -> Vec<Aim> {
    let Some(&budget) = options.budgets.iter().find(|budget| budget.is_ample()) else {
        return Vec::new();
    };
    let ratios = six(|program| {
        let place = (program, budget, Link::Shm, nodes);
        Some(summary.times(place, Method::Auto)?.median / summary.times(place, Method::Native)?.median)
    });
    let mean = geometric_mean(&ratios);
    vec![
        Aim::at_most("budget above the footprint, time over native, geometric mean of the six", 1.02, mean),
        Aim::at_most("the same, the worst of the six", 1.05, worst(&ratios)),
    ]
}

fn pages(summary: &Summary<'_>, nodes: u8) -> Vec<Aim> {
    let over_zram = |program| {
        let place = (program, Budget(50), Link::Shm, nodes);
        Some(summary.times(place, Method::Never)?.median / summary.times(place, Method::Zram)?.median)
    };
    vec![
        Aim::at_most("shared memory, 50 %, a page of a random read over zram's", 0.5, over_zram(Program::Random)),
        Aim::at_most("shared memory, 50 %, a page of a scan over zram's", 0.2, over_zram(Program::Scan)),
    ]
}

/// Bytes a second that a scan brought over the link. It pulls nothing before it begins; pages that it finds at home cross no wire.
fn scanned(size: u64, seconds_a_page: f64, pulls: f64) -> Option<f64> {
    let pages = size as f64 / PAGE * f64::from(Program::Scan.passes());
    (pages > 0.0).then(|| pulls * PAGE / (pages * seconds_a_page))
}

fn link_used(summary: &Summary<'_>, options: &FiguresOptions, link: Link, nodes: u8) -> Vec<Aim> {
    let scan = summary.times((Program::Scan, Budget(50), link, nodes), Method::Never);
    let carried = scan.and_then(|scan| scanned(options.size, scan.median, scan.moved?[0]));
    let share = carried.zip(summary.streams.get(&link)).map(|(carried, stream)| carried / stream);
    let over_swap = six(|program| {
        let place = (program, Budget(50), link, nodes);
        let never = summary.times(place, Method::Never)?.median;
        Some(never / summary.at_least(place, Method::Network)?)
    });
    vec![
        Aim::at_least(&format!("{link}: bytes a second of a scan over those of a plain stream"), 0.85, share),
        Aim::at_most(&format!("{link}: never over network swap, the worst of the six"), 1.0, worst(&over_swap)),
    ]
}

fn jumping(summary: &Summary<'_>, nodes: u8) -> Vec<Aim> {
    let place = |program| (program, Budget(50), Link::Tcp1, nodes);
    let auto = |program| Some(summary.times(place(program), Method::Auto)?.median);
    let gain = |program| Some(summary.at_least(place(program), Method::Never)? / auto(program)?);
    let loss = six(|program| Some(auto(program)? / summary.at_least(place(program), Method::Never)?));
    let over_best = six(|program| {
        let best = summary.best(place(program))?;
        Some(auto(program)? / summary.times(place(program), best)?.median)
    });
    let wire = six(|program| {
        let bytes = |method| summary.times(place(program), method)?.wire_bytes;
        Some(bytes(Method::Auto)? / bytes(Method::Never)?)
    });
    vec![
        Aim::at_least("auto, 50 %, 1 Gbit/s: never over auto, linear_search", 15.0, gain(Program::LinearSearch)),
        Aim::at_least("the same, geometric mean of the six", 3.0, geometric_mean(&six(gain))),
        Aim::at_most("auto over never, the worst of the six", 1.03, worst(&loss)),
        Aim::at_most("auto over the best threshold of its own sweep, the worst of the six", 1.1, worst(&over_best)),
        Aim::at_most("bytes on the wire, auto over never, geometric mean of the six", 0.5, geometric_mean(&wire)),
    ]
}

#[cfg(test)]
mod tests {
    use super::{Aim, scanned};

    #[test]
    fn a_scan_is_counted_by_what_crossed_the_link() {
        // 16 MiB, eight times over: 32768 reads of 4 us, of which a half was pulled.
        let carried = scanned(16 << 20, 4e-6, 16384.0).expect("a rate");
        assert!((carried - 512e6).abs() < 1.0, "{carried}");
    }

    #[test]
    fn an_aim_without_a_measurement_is_not_kept() {
        let aim = Aim::at_most("x", 2.0, None);
        assert!(!aim.kept && aim.row().contains("not measured"));
        assert!(Aim::at_most("x", 2.0, Some(2.0)).kept);
        assert!(!Aim::at_least("x", 2.0, Some(1.9)).kept);
        assert!(Aim::at_least("x", 2.0, Some(1.9)).row().contains("missed"));
    }
}
