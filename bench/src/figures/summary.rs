//! Medians and spreads of what the journal holds.

use std::collections::BTreeMap;

use super::case::{Link, Method};
use super::journal::{Journal, Outcome, Run};
use super::plan::{self, Missing, Place};

/// A case over all its rounds.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// It was measured.
    Times(Times),
    /// It takes longer than so many seconds.
    TooSlow(u64),
    /// It does not work; what it said.
    Failed(String),
    /// It cannot be measured here; why.
    Missing(String),
}

/// Runs of a case.
#[derive(Clone, Debug, PartialEq)]
pub struct Times {
    /// Seconds of the main phase, or of a page.
    pub median: f64,
    /// The fastest run.
    pub low: f64,
    /// The slowest run.
    pub high: f64,
    /// How many there were.
    pub runs: usize,
    /// Median of the bytes on the wire.
    pub wire_bytes: Option<f64>,
    /// Medians of pulls, pushes and jumps.
    pub moved: Option<[f64; 3]>,
}

/// Everything the report is made of.
#[derive(Debug)]
pub struct Summary<'a> {
    journal: &'a Journal,
    missing: &'a Missing,
    /// Bytes a second of a plain stream.
    pub streams: &'a BTreeMap<Link, f64>,
}

impl<'a> Summary<'a> {
    /// Of a journal, what could not be measured, and the rates of plain streams.
    #[must_use]
    pub fn new(journal: &'a Journal, missing: &'a Missing, streams: &'a BTreeMap<Link, f64>) -> Self {
        Self { journal, missing, streams }
    }

    /// What is known of the method at the place.
    #[must_use]
    pub fn cell(&self, place: Place, method: Method) -> Option<Cell> {
        let case = plan::case(place, method)?;
        let Some(rounds) = self.journal.outcomes().get(&case) else {
            return self.missing.reason(&case).map(|why| Cell::Missing(why.to_owned()));
        };
        Some(cell(rounds))
    }

    /// The times of the method at the place, where it was measured.
    #[must_use]
    pub fn times(&self, place: Place, method: Method) -> Option<Times> {
        match self.cell(place, method) {
            Some(Cell::Times(times)) => Some(times),
            _ => None,
        }
    }

    /// Seconds at the least: the median, or the limit of a case that was too slow.
    #[must_use]
    pub fn at_least(&self, place: Place, method: Method) -> Option<f64> {
        match self.cell(place, method)? {
            Cell::Times(times) => Some(times.median),
            Cell::TooSlow(limit_s) => Some(limit_s as f64),
            _ => None,
        }
    }

    /// The best threshold of the sweep at the place.
    #[must_use]
    pub fn best(&self, place: Place) -> Option<Method> {
        plan::best_threshold(place, self.journal).map(Method::Threshold)
    }

    /// Thresholds of the sweep, ascending, with what each run did.
    #[must_use]
    pub fn sweep(&self, place: Place) -> Vec<(u32, Run)> {
        let run = |pulls| match self.journal.outcomes().get(&plan::case(place, Method::Threshold(pulls))?)?.get(&0)? {
            Outcome::Done(run) => Some((pulls, run.clone())),
            _ => None,
        };
        plan::swept(place, self.journal).filter_map(|(pulls, _)| run(pulls)).collect()
    }

    /// What could not be measured, and why.
    #[must_use]
    pub fn missing(&self) -> &Missing {
        self.missing
    }
}

/// Rounds of one case. The sweep's round 0 counts only where there is no other.
fn cell(rounds: &BTreeMap<u32, Outcome>) -> Cell {
    let runs: Vec<_> = rounds
        .iter()
        .filter_map(|(round, outcome)| match outcome {
            Outcome::Done(run) => Some((*round, run)),
            _ => None,
        })
        .collect();
    let last_bad = rounds.values().find(|outcome| !matches!(outcome, Outcome::Done(_)));
    match last_bad {
        Some(Outcome::TooSlow { limit_s }) => return Cell::TooSlow(*limit_s),
        Some(Outcome::Failed { what }) => return Cell::Failed(what.clone()),
        _ => {}
    }
    let counted: Vec<_> = if runs.iter().any(|(round, _)| *round > 0) {
        runs.iter().filter(|(round, _)| *round > 0).map(|(_, run)| *run).collect()
    } else {
        runs.iter().map(|(_, run)| *run).collect()
    };
    let seconds: Vec<f64> = counted.iter().map(|run| run.seconds).collect();
    let moved = |index: usize| median(counted.iter().filter_map(|run| run.moved.map(|moved| moved[index] as f64)));
    Cell::Times(Times {
        median: median(seconds.iter().copied()).unwrap_or(f64::NAN),
        low: seconds.iter().copied().fold(f64::INFINITY, f64::min),
        high: seconds.iter().copied().fold(0.0, f64::max),
        runs: seconds.len(),
        wire_bytes: median(counted.iter().filter_map(|run| run.wire_bytes.map(|bytes| bytes as f64))),
        moved: moved(0).zip(moved(1)).zip(moved(2)).map(|((pulls, pushes), jumps)| [pulls, pushes, jumps]),
    })
}

/// The middle one; of an even number, the mean of the two in the middle.
#[must_use]
pub fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    Some(if sorted.len() % 2 == 1 { upper } else { f64::midpoint(sorted[sorted.len() / 2 - 1], upper) })
}

/// The geometric mean; none of nothing.
#[must_use]
pub fn geometric_mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| (values.iter().map(|value| value.ln()).sum::<f64>() / values.len() as f64).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(seconds: f64) -> Outcome {
        Outcome::Done(Run { seconds, answer: String::new(), wire_bytes: Some(10), moved: None })
    }

    #[test]
    fn the_sweep_counts_only_where_there_are_no_rounds() {
        let mut rounds = BTreeMap::from([(0, done(9.0))]);
        assert!(matches!(cell(&rounds), Cell::Times(times) if times.median == 9.0 && times.runs == 1));
        rounds.extend([(1, done(1.0)), (2, done(3.0)), (3, done(2.0))]);
        let Cell::Times(times) = cell(&rounds) else { panic!("no times") };
        assert_eq!((times.median, times.low, times.high, times.runs), (2.0, 1.0, 3.0, 3));
        rounds.insert(4, Outcome::TooSlow { limit_s: 5 });
        assert_eq!(cell(&rounds), Cell::TooSlow(5));
    }

    #[test]
    fn middles_and_means() {
        assert_eq!(median([4.0, 1.0, 3.0, 2.0].into_iter()), Some(2.5));
        assert_eq!(median(std::iter::empty()), None);
        assert_eq!(geometric_mean(&[1.0, 4.0]), Some(2.0));
        assert_eq!(geometric_mean(&[]), None);
    }
}
