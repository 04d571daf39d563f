//! Drawings (SVG): how much slower than native each method is; jumps and time against the threshold.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::FiguresError;
use super::case::{Budget, Link, Method, Program};
use super::options::FiguresOptions;
use super::plan::Place;
use super::report::relative;
use super::summary::{Cell, Summary};

const SIZE: (u32, u32) = (960, 420);
/// Colours that remain apart for colour-blind readers (Okabe and Ito).
const COLOURS: [RGBColor; 6] = [
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 158, 115),
    RGBColor(213, 94, 0),
    RGBColor(0, 114, 178),
    RGBColor(204, 121, 167),
];

/// Where the bars begin.
const FLOOR: f64 = 0.8;
/// The legend stands beside the bars.
const LEGEND_ROOM: f64 = 1.2;
/// The methods of the first bars.
const SWAPS: [Method; 3] = [Method::Zram, Method::Disk, Method::Network];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws all of them; their names beside the report.
///
/// # Errors
/// A file cannot be written.
pub fn all(options: &FiguresOptions, summary: &Summary<'_>) -> Result<Vec<String>, FiguresError> {
    let mut names = Vec::new();
    for &link in &options.links {
        for &nodes in &options.nodes {
            for &budget in options.budgets.iter().filter(|budget| !budget.is_ample()) {
                let path = options.out.join(format!("slowdown-{}-{nodes}-{budget}.svg", link.word()));
                if drawn(&path, |area| slowdown(area, options, summary, budget, link, nodes))? {
                    names.push(relative(&path));
                }
            }
        }
    }
    let (link, nodes) = (Link::Tcp1, options.nodes.first().copied().unwrap_or(2));
    for &program in options.programs.iter().filter(|program| program.is_workload()) {
        let path = options.out.join(format!("sweep-{}.svg", program.command().0));
        if drawn(&path, |area| sweep(area, summary, (program, Budget(50), link, nodes)))? {
            names.push(relative(&path));
        }
    }
    Ok(names)
}

type Drawn = Result<bool, Box<dyn std::error::Error>>;

/// Draws one; false, and no file, where there is nothing to draw.
fn drawn(path: &Path, draw: impl FnOnce(&Area<'_>) -> Drawn) -> Result<bool, FiguresError> {
    let fails = |what: String| FiguresError::Plot { path: path.display().to_string(), what };
    let mut svg = String::new();
    let something = {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE).map_err(|error| fails(error.to_string()))?;
        let something = draw(&area).map_err(|error| fails(error.to_string()))?;
        area.present().map_err(|error| fails(error.to_string()))?;
        something
    };
    if something {
        std::fs::write(path, svg).map_err(|error| fails(error.to_string()))?;
    }
    Ok(something)
}

/// For each program a group of bars, a method each: time over native, on a logarithmic scale. An x: it was tried and failed.
fn slowdown(
    area: &Area<'_>,
    options: &FiguresOptions,
    summary: &Summary<'_>,
    budget: Budget,
    link: Link,
    nodes: u8,
) -> Drawn {
    let programs: Vec<Program> = options.programs.iter().copied().filter(|program| program.is_workload()).collect();
    let methods = ["zram", "disk", "network", "never", "best threshold", "auto"];
    let value = |program, index: usize| {
        let place = (program, budget, link, nodes);
        let method = match index {
            0..3 => SWAPS[index],
            3 => Method::Never,
            4 => summary.best(place)?,
            _ => Method::Auto,
        };
        Some(summary.at_least(place, method)? / summary.times(place, Method::Native)?.median)
    };
    let bars: Vec<(usize, usize, f64)> = programs
        .iter()
        .enumerate()
        .flat_map(|(group, &program)| {
            (0..methods.len()).filter_map(move |bar| Some((group, bar, value(program, bar)?)))
        })
        .collect();
    if bars.is_empty() {
        return Ok(false);
    }
    let most = bars.iter().map(|bar| bar.2).fold(2.0, f64::max) * 1.5;
    let mut chart = ChartBuilder::on(area)
        .caption(format!("Time over native: {link}, {nodes} nodes, {budget} % at home"), ("sans-serif", 18))
        .margin(10)
        .x_label_area_size(30)
        .y_label_area_size(55)
        .build_cartesian_2d(0.0..programs.len() as f64 * LEGEND_ROOM, (FLOOR..most).log_scale())?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(0)
        .light_line_style(TRANSPARENT)
        .y_desc("times native")
        .y_label_formatter(&|value| format!("{value:.0}"))
        .draw()?;
    for (bar, name) in methods.iter().enumerate() {
        let colour = COLOURS[bar];
        let shapes = bars.iter().filter(|shape| shape.1 == bar).map(|&(group, _, value)| {
            let left = group as f64 + 0.1 + bar as f64 * 0.13;
            Rectangle::new([(left, FLOOR), (left + 0.12, value)], colour.filled())
        });
        chart
            .draw_series(shapes)?
            .label(*name)
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 10, y + 5)], colour.filled()));
    }
    let text = |words: &str, at: (f64, f64), below: i32| {
        let (x, y) = chart.plotting_area().map_coordinate(&at);
        area.draw(&Text::new(words.to_owned(), (x, y + below), ("sans-serif", 13)))
    };
    for (group, program) in programs.iter().enumerate() {
        text(program.command().0, (group as f64 + 0.3, FLOOR), 8)?;
        let place = (*program, budget, link, nodes);
        for bar in (0..3).filter(|bar| fails(summary, place, SWAPS[*bar])) {
            text("x", (group as f64 + 0.14 + bar as f64 * 0.13, FLOOR), -14)?;
        }
    }
    chart.configure_series_labels().background_style(WHITE.mix(0.8)).border_style(BLACK.mix(0.3)).draw()?;
    Ok(true)
}

/// Whether it was tried there and did not work.
fn fails(summary: &Summary<'_>, place: Place, method: Method) -> bool {
    matches!(summary.cell(place, method), Some(Cell::Failed(_)))
}

/// Seconds and jumps against the threshold, and the seconds of `auto`, as figure 6 of the paper.
fn sweep(area: &Area<'_>, summary: &Summary<'_>, place: Place) -> Drawn {
    let points = summary.sweep(place);
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return Ok(false);
    };
    let jumps = |run: &super::journal::Run| run.moved.map_or(0.0, |moved| moved[2] as f64) + 1.0;
    let auto_s = summary.times(place, Method::Auto).map(|times| times.median);
    let most_s = points.iter().map(|(_, run)| run.seconds).chain(auto_s).fold(0.0, f64::max) * 1.1;
    let most_jumps = points.iter().map(|(_, run)| jumps(run)).fold(10.0, f64::max) * 1.5;
    let thresholds = f64::from(first.0) * 0.8..f64::from(last.0) * 1.25;
    let mut chart = ChartBuilder::on(area)
        .caption(format!("{}: time and jumps against the threshold", place.0.command().0), ("sans-serif", 18))
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .right_y_label_area_size(60)
        .build_cartesian_2d(thresholds.clone().log_scale(), 0.0..most_s)?
        .set_secondary_coord(thresholds.clone().log_scale(), (1.0..most_jumps).log_scale());
    let whole = |value: &f64| format!("{value:.0}");
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("pulls before a jump")
        .y_desc("seconds")
        .x_label_formatter(&whole)
        .draw()?;
    chart.configure_secondary_axes().y_desc("jumps").y_label_formatter(&whole).draw()?;
    let (time, jump, auto) = (COLOURS[4], COLOURS[3], COLOURS[5]);
    if let Some(auto_s) = auto_s {
        let level = [thresholds.start, thresholds.end].map(|at| (at, auto_s));
        chart
            .draw_series(LineSeries::new(level, auto.stroke_width(2)))?
            .label("seconds of auto")
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 15, y)], auto.stroke_width(2)));
    }
    let times: Vec<_> = points.iter().map(|(pulls, run)| (f64::from(*pulls), run.seconds)).collect();
    let counts: Vec<_> = points.iter().map(|(pulls, run)| (f64::from(*pulls), jumps(run) - 1.0)).collect();
    chart
        .draw_series(LineSeries::new(times, time.stroke_width(2)).point_size(3))?
        .label("seconds")
        .legend(move |(x, y)| PathElement::new([(x, y), (x + 15, y)], time.stroke_width(2)));
    chart
        .draw_secondary_series(LineSeries::new(counts, jump.stroke_width(2)).point_size(3))?
        .label("jumps")
        .legend(move |(x, y)| PathElement::new([(x, y), (x + 15, y)], jump.stroke_width(2)));
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperMiddle)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    Ok(true)
}
