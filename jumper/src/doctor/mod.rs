//! `eos-rdma doctor`: what this machine and the peers have, what they lack, and what helps.
//!
//! | file | what |
//! |---|---|
//! | `machine` | kernel, processor, address space, memory of this machine |
//! | `trial` | mechanisms that are really tried, each in a child process |
//! | `rdma` | library, devices and ports of this machine |
//! | `peers` | the hosts of a hosts file, called as `run` calls them |
//!
//! The wording of each check is a pure function of what was found, so that it is tested without the machine that has it.

mod machine;
mod peers;
mod rdma;
mod trial;

use crate::cluster::ClusterError;
use crate::cluster::hosts::HostSpec;
use eos_verbs::TransportChoice;
use eos_verbs::session::ClusterKey;
use serde::Serialize;

/// Examines this machine (the first section) and every host, with a view to runs over `choice`. Takes up to 5 s and more
/// for hosts that do not answer.
pub fn examine(hosts: &[HostSpec], key: &ClusterKey, choice: TransportChoice) -> Vec<Section> {
    let mut here = machine::examine();
    here.checks.extend(rdma::examine(choice));
    let mut sections = vec![here];
    sections.extend(peers::examine(hosts, key, choice));
    sections
}

/// How a check came out, from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// Runs work, but not as well as they could.
    Warning,
    /// Runs do not work.
    Failed,
}

impl State {
    /// The word of the table.
    pub fn word(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Failed => "failed",
        }
    }
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// How it came out.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What the person can do about it; none if it is as it should be.
    pub remedy: Option<String>,
}

impl Check {
    /// As it should be.
    pub fn ok(name: &'static str, found: impl Into<String>) -> Check {
        Check { name, state: State::Ok, found: found.into(), remedy: None }
    }

    /// Not as good as it could be.
    pub fn warning(name: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Check {
        Check { name, state: State::Warning, found: found.into(), remedy: Some(remedy.into()) }
    }

    /// Something that is needed is missing.
    pub fn failed(name: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Check {
        Check { name, state: State::Failed, found: found.into(), remedy: Some(remedy.into()) }
    }

    /// Failed, from the sentence of an error: our sentences put the remedy behind the first semicolon.
    pub fn failed_with(name: &'static str, sentence: &str) -> Check {
        match sentence.split_once("; ") {
            Some((found, remedy)) => Check::failed(name, found, remedy),
            None => Check { name, state: State::Failed, found: sentence.to_owned(), remedy: None },
        }
    }

    /// Finding and remedy as one text.
    pub fn text(&self) -> String {
        match &self.remedy {
            Some(remedy) => format!("{}; {remedy}", self.found),
            None => self.found.clone(),
        }
    }
}

/// The checks of one machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Section {
    /// `this machine`, or the host as the hosts file has it.
    pub name: String,
    /// In the order in which they were made.
    pub checks: Vec<Check>,
}

/// The worst state of all checks.
pub fn worst(sections: &[Section]) -> State {
    sections.iter().flat_map(|section| &section.checks).map(|check| check.state).max().unwrap_or(State::Ok)
}

/// Which check an error of calling a host belongs to, and how many of "reachable" and "key" it has passed.
fn check_of(error: &ClusterError) -> (&'static str, usize) {
    match error {
        ClusterError::Lookup { .. } => ("address", 0),
        ClusterError::Down { .. } | ClusterError::Unreachable { .. } | ClusterError::TimedOut { .. } => {
            ("reachable", 0)
        }
        ClusterError::WrongKey { .. } | ClusterError::NoKey { .. } => ("key", 1),
        ClusterError::Session { .. } => ("version", 1),
        _ => ("version", 2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_of_an_error_is_cut_into_finding_and_remedy() {
        let check = Check::failed_with("reachable", "a refuses connections; start it; or not");
        assert_eq!(
            (check.found.as_str(), check.remedy.as_deref()),
            ("a refuses connections", Some("start it; or not"))
        );
        assert_eq!(check.text(), "a refuses connections; start it; or not");
        assert_eq!(Check::failed_with("key", "no").text(), "no");
    }

    #[test]
    fn the_worst_check_counts() {
        let section = |checks| Section { name: "x".to_owned(), checks };
        assert_eq!(worst(&[]), State::Ok);
        let warned = section(vec![Check::ok("a", "1"), Check::warning("b", "2", "3")]);
        assert_eq!(worst(std::slice::from_ref(&warned)), State::Warning);
        assert_eq!(worst(&[section(vec![Check::failed("c", "4", "5")]), warned]), State::Failed);
    }
}
