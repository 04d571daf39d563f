//! The plot of a sweep: threshold against time, jumps and pulls (figure 6 of the paper).

use crate::sim::Line;
use eos_jumper::config::JumpRule;
use plotters::prelude::*;
use std::path::Path;

const SIZE: (u32, u32) = (900, 520);
const TIME: RGBColor = RGBColor(0x1f, 0x5f, 0xa8);
const JUMPS: RGBColor = RGBColor(0xc2, 0x4a, 0x1d);
const PULLS: RGBColor = RGBColor(0x3d, 0x8b, 0x4f);

/// Draws the fixed thresholds as lines over logarithmic axes, `never` and `auto` as level lines of their time.
///
/// # Errors
/// What went wrong, in words.
pub fn draw(path: &Path, title: &str, lines: &[Line]) -> Result<(), String> {
    let mut svg = String::new();
    paint(&mut svg, title, lines).map_err(|error| error.to_string())?;
    std::fs::write(path, svg).map_err(|error| error.to_string())
}

fn paint(svg: &mut String, title: &str, lines: &[Line]) -> Result<(), Box<dyn std::error::Error>> {
    let fixed: Vec<(f64, &Line)> = lines
        .iter()
        .filter_map(|line| match line.rule {
            JumpRule::After(pulls) => Some((f64::from(pulls), line)),
            JumpRule::Never | JumpRule::Auto => None,
        })
        .collect();
    let (Some(first), Some(last)) = (fixed.first(), fixed.last()) else {
        return Err("a plot needs thresholds; leave --jump out for a sweep".into());
    };
    // logarithms need positive numbers
    let ms = |line: &Line| line.outcome.time_ns as f64 / 1e6;
    let count = |count: u64| (count as f64).max(1.0);
    let times = lines.iter().map(ms).fold((f64::MAX, 0.0_f64), |(low, high), ms| (low.min(ms), high.max(ms)));
    let counts = lines.iter().map(|line| count(line.outcome.pulls.max(line.outcome.jumps))).fold(10.0, f64::max);
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .right_y_label_area_size(70)
        .build_cartesian_2d(
            (first.0..last.0.max(first.0 + 1.0)).log_scale(),
            (times.0 * 0.8..times.1 * 1.25).log_scale(),
        )?
        .set_secondary_coord((first.0..last.0.max(first.0 + 1.0)).log_scale(), (1.0..counts * 1.5).log_scale());
    chart.configure_mesh().x_desc("pulls before a jump").y_desc("milliseconds").draw()?;
    chart.configure_secondary_axes().y_desc("jumps, pulls").draw()?;
    let series = |value: &dyn Fn(&Line) -> f64| fixed.iter().map(|(x, line)| (*x, value(line))).collect::<Vec<_>>();
    let legend = |color: RGBColor| move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2));
    chart.draw_series(LineSeries::new(series(&ms), TIME.stroke_width(3)))?.label("time").legend(legend(TIME));
    chart
        .draw_secondary_series(LineSeries::new(series(&|line| count(line.outcome.jumps)), JUMPS.stroke_width(2)))?
        .label("jumps")
        .legend(legend(JUMPS));
    chart
        .draw_secondary_series(LineSeries::new(series(&|line| count(line.outcome.pulls)), PULLS.stroke_width(2)))?
        .label("pulls")
        .legend(legend(PULLS));
    for (rule, label, color) in [(JumpRule::Never, "time, never", BLACK), (JumpRule::Auto, "time, auto", MAGENTA)] {
        if let Some(line) = lines.iter().find(|line| line.rule == rule) {
            let level = [(first.0, ms(line)), (last.0, ms(line))];
            chart.draw_series(LineSeries::new(level, color.stroke_width(1)))?.label(label).legend(legend(color));
        }
    }
    chart.configure_series_labels().background_style(WHITE.mix(0.8)).border_style(BLACK).draw()?;
    root.present()?;
    Ok(())
}
