//! Rows of results, as an aligned table for people and as JSON for programs.

use std::fs::File;
use std::io::BufWriter;

use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};
use serde::Serialize;

use super::MicroError;
use super::sample::Samples;

/// A result beside the floor that it is measured against.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Comparison {
    /// Microseconds of the floor.
    pub floor_us: f64,
    /// Result over floor.
    pub ratio: f64,
    /// Microseconds that the result should not exceed.
    pub aim_us: Option<f64>,
}

/// One result.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// Median, microseconds.
    pub p50_us: f64,
    /// 99th percentile, microseconds, where single events were timed.
    pub p99_us: Option<f64>,
    /// The floor, for a result of the runtime.
    pub comparison: Option<Comparison>,
}

impl Row {
    /// A floor, from samples of single events.
    #[must_use]
    pub fn floor(name: impl Into<String>, samples: &Samples) -> Self {
        let p99_us = Some(samples.quantile(0.99));
        Self { name: name.into(), p50_us: samples.median(), p99_us, comparison: None }
    }

    /// A result of the runtime, in microseconds, with its floor and the most that it should take.
    #[must_use]
    pub fn ours(name: impl Into<String>, p50_us: f64, p99_us: Option<f64>, floor_us: f64, aim_us: Option<f64>) -> Self {
        let comparison = Some(Comparison { floor_us, ratio: p50_us / floor_us, aim_us });
        Self { name: name.into(), p50_us, p99_us, comparison }
    }

    /// Whether the result keeps its aim, if it has one.
    #[must_use]
    pub fn keeps_aim(&self) -> Option<bool> {
        let aim_us = self.comparison?.aim_us?;
        Some(self.p50_us <= aim_us)
    }

    fn cells(&self) -> [String; 6] {
        let us = |value: Option<f64>| value.map_or(String::new(), |us| format!("{us:.2}"));
        let comparison = self.comparison;
        let aim = match self.keeps_aim() {
            None => "",
            Some(true) => " kept",
            Some(false) => " MISSED",
        };
        [
            self.name.clone(),
            us(Some(self.p50_us)),
            us(self.p99_us),
            us(comparison.map(|c| c.floor_us)),
            comparison.map_or(String::new(), |c| format!("{:.2}", c.ratio)),
            us(comparison.and_then(|c| c.aim_us)) + aim,
        ]
    }
}

/// The rows as text.
#[must_use]
pub fn render(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN);
    table.set_header(["microseconds", "p50", "p99", "floor", "ratio", "aim: at most"]);
    table.add_rows(rows.iter().map(Row::cells));
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table.to_string()
}

/// Writes the rows to a file as a JSON array.
///
/// # Errors
/// The file cannot be written.
pub fn write_json(path: &str, rows: &[Row]) -> Result<(), MicroError> {
    let fails = |source| MicroError::File { path: path.to_owned(), source };
    let file = File::create(path).map_err(fails)?;
    serde_json::to_writer_pretty(BufWriter::new(file), rows).map_err(|error| fails(error.into()))
}

#[cfg(test)]
mod tests {
    use super::{Row, render};

    #[test]
    fn an_aim_is_kept_up_to_its_value() {
        assert_eq!(Row::ours("a", 3.0, None, 2.0, Some(3.0)).keeps_aim(), Some(true));
        assert_eq!(Row::ours("a", 3.1, None, 2.0, Some(3.0)).keeps_aim(), Some(false));
        assert_eq!(Row::ours("a", 3.1, None, 2.0, None).keeps_aim(), None);
    }

    #[test]
    fn the_table_shows_value_floor_and_ratio() {
        let text = render(&[Row::ours("pull", 3.0, Some(9.0), 2.0, Some(2.5))]);
        for word in ["pull", "3.00", "9.00", "2.00", "1.50", "2.50 MISSED"] {
            assert!(text.contains(word), "{word} is missing in\n{text}");
        }
    }
}
