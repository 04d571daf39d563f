//! Which cases, in which order: a sweep of thresholds first, once each, then rounds in which all methods take turns, the best
//! threshold among them. What is compared is measured close together in time.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::case::{Budget, Case, Link, Method, Program};
use super::journal::{Journal, Outcome};
use super::options::FiguresOptions;

/// What cannot be measured here, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Missing {
    /// Ways that this machine does not permit.
    pub methods: BTreeMap<Method, String>,
    /// Links that it does not permit.
    pub links: BTreeMap<Link, String>,
    /// Links of which the rate of a plain stream is not known.
    pub streams: BTreeMap<Link, String>,
}

impl Missing {
    /// Why a case cannot be measured.
    #[must_use]
    pub fn reason(&self, case: &Case) -> Option<&str> {
        let link = case.link.and_then(|link| self.links.get(&link));
        self.methods.get(&case.method).or(link).map(String::as_str)
    }
}

/// A place: all cases of one are compared with each other.
pub type Place = (Program, Budget, Link, u8);

/// All places that the options ask for, in order.
pub fn places(options: &FiguresOptions) -> Vec<Place> {
    let mut places = Vec::new();
    for &program in &options.programs {
        for &budget in options.budgets.iter().filter(|budget| !budget.is_ample()) {
            for &link in &options.links {
                places.extend(options.nodes.iter().map(|&nodes| (program, budget, link, nodes)));
            }
        }
        let ample = options.budgets.iter().find(|budget| budget.is_ample() && program.is_workload());
        places.extend(ample.map(|&budget| (program, budget, Link::Shm, options.nodes.first().copied().unwrap_or(2))));
    }
    places
}

/// Round 0: each program natively, whose answer the others must give, and each threshold of the sweep once.
#[must_use]
pub fn sweep(options: &FiguresOptions, missing: &Missing) -> Vec<(Case, u32)> {
    let thresholds: &[u32] = if options.methods.contains(&Method::Sweep) { &options.thresholds } else { &[] };
    let swept = |place: Place| {
        // The probes show what a page costs; where to execute is the programs' question.
        let thresholds = thresholds.iter().filter(move |_| place.0.is_workload() && !place.1.is_ample());
        std::iter::once(Method::Native).chain(thresholds.map(|&pulls| Method::Threshold(pulls)))
    };
    let cases =
        places(options).into_iter().flat_map(|place| swept(place).filter_map(move |method| case(place, method)));
    once(cases.map(|case| (case, 0)), missing)
}

/// The rounds, with the best threshold that the journal knows of each place.
#[must_use]
pub fn rounds(options: &FiguresOptions, missing: &Missing, journal: &Journal) -> Vec<(Case, u32)> {
    let mut turns = Vec::new();
    for place in places(options) {
        let best = best_threshold(place, journal).filter(|_| options.methods.contains(&Method::Sweep));
        for round in 1..=options.runs {
            let methods = options.methods.iter().copied().chain(best.map(Method::Threshold));
            let sensible = |method: &Method| !place.1.is_ample() || matches!(method, Method::Native | Method::Auto);
            turns.extend(methods.filter(sensible).filter_map(|method| Some((case(place, method)?, round))));
        }
    }
    once(turns.into_iter(), missing)
}

/// The threshold with which the sweep took the least time.
#[must_use]
pub fn best_threshold(place: Place, journal: &Journal) -> Option<u32> {
    swept(place, journal).min_by(|(_, one), (_, other)| one.total_cmp(other)).map(|(pulls, _)| pulls)
}

/// Thresholds of the sweep at a place, ascending, and the seconds of each.
pub fn swept(place: Place, journal: &Journal) -> impl Iterator<Item = (u32, f64)> {
    journal.outcomes().iter().filter_map(move |(known, rounds)| match (known.method, rounds.get(&0)) {
        (Method::Threshold(pulls), Some(Outcome::Done(run))) if case(place, known.method) == Some(*known) => {
            Some((pulls, run.seconds))
        }
        _ => None,
    })
}

/// The case of a method at a place.
#[must_use]
pub fn case((program, budget, link, nodes): Place, method: Method) -> Option<Case> {
    Case::new(program, method, budget, link, nodes)
}

/// Each turn once, where it first stands; those that cannot be measured left out.
fn once(turns: impl Iterator<Item = (Case, u32)>, missing: &Missing) -> Vec<(Case, u32)> {
    let mut seen = BTreeSet::new();
    turns.filter(|turn| missing.reason(&turn.0).is_none() && seen.insert(*turn)).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::journal::Run;
    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        options: FiguresOptions,
    }

    fn options(words: &[&str]) -> FiguresOptions {
        Command::parse_from(["figures"].iter().chain(words)).options
    }

    #[test]
    fn a_native_run_stands_once_in_each_round_whatever_the_places() {
        let options = options(&["--programs", "dfs", "--methods", "native,never", "--runs", "2"]);
        let folder = tempfile::tempdir().expect("a folder");
        let journal = Journal::open(&folder.path().join("j"), 1).expect("a journal");
        let turns = rounds(&options, &Missing::default(), &journal);
        let count = |method| turns.iter().filter(|(case, _)| case.method == method).count();
        // Two rounds; two budgets, three links, two numbers of nodes.
        assert_eq!((count(Method::Native), count(Method::Never)), (2, 24));
    }

    #[test]
    fn what_is_missing_is_still_known_when_only_the_report_is_written() {
        let missing = Missing {
            methods: BTreeMap::from([(Method::Zram, "no zram".to_owned()), (Method::Network, "no nbdkit".to_owned())]),
            links: BTreeMap::from([(Link::Tcp1, "needs root".to_owned())]),
            streams: BTreeMap::from([(Link::Tcp10, "no iperf3".to_owned())]),
        };
        let text = serde_json::to_vec(&missing).expect("JSON");
        assert_eq!(serde_json::from_slice::<Missing>(&text).expect("the same"), missing);
    }

    #[test]
    fn the_best_threshold_is_measured_in_rounds_and_what_is_missing_is_not() {
        let options = options(&["--programs", "dfs,scan", "--links", "tcp1,shm", "--budgets", "50", "--nodes", "2"]);
        let missing = Missing {
            methods: BTreeMap::from([(Method::Zram, "no zram".to_owned())]),
            links: BTreeMap::from([(Link::Shm, "no".to_owned())]),
            streams: BTreeMap::new(),
        };
        let first = sweep(&options, &missing);
        assert_eq!(first.len(), 2 + options.thresholds.len());
        let folder = tempfile::tempdir().expect("a folder");
        let mut journal = Journal::open(&folder.path().join("j"), 1).expect("a journal");
        for (case, round) in first {
            let seconds = if case.method == Method::Threshold(512) { 1.0 } else { 2.0 };
            let run = Run { seconds, answer: String::new(), wire_bytes: None, moved: None };
            journal.add(&case, round, Outcome::Done(run)).expect("kept");
        }
        let turns = rounds(&options, &missing, &journal);
        let dfs = (Program::Dfs, Budget(50), Link::Tcp1, 2);
        assert_eq!(best_threshold(dfs, &journal), Some(512));
        assert!(turns.contains(&(case(dfs, Method::Threshold(512)).expect("a case"), 3)));
        assert!(turns.iter().all(|(case, _)| missing.reason(case).is_none()));
        assert!(!turns.iter().any(|(case, _)| matches!(case.method, Method::Threshold(8) | Method::Zram)));
    }
}
