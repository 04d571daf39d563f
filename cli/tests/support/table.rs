//! The tables of docs/compatibility.md: what is said to work. Tests run every line and compare.

use super::harness::root;
use std::collections::BTreeMap;

/// What the table says of one way to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Yes,
    No,
    /// Depends on chance: neither outcome is an error.
    Sometimes,
}

/// One line of a table.
#[derive(Clone, Debug)]
pub struct Line {
    pub about: String,
    /// One for each way, in the order of the columns.
    pub marks: Vec<Mark>,
    pub why: String,
}

/// The lines below `heading`, by name: `| name | about | mark | … | why |`.
pub fn table(heading: &str) -> BTreeMap<String, Line> {
    let path = root().join("docs/compatibility.md");
    let text = std::fs::read_to_string(&path).expect("docs/compatibility.md can be read");
    let mut lines = BTreeMap::new();
    let below = text.lines().skip_while(|line| *line != format!("## {heading}")).skip(1);
    for line in below.take_while(|line| !line.starts_with("## ")).filter(|line| line.starts_with("| `")) {
        let (name, read) = parse(line).unwrap_or_else(|| panic!("docs/compatibility.md: cannot be read: {line}"));
        assert!(lines.insert(name.clone(), read).is_none(), "docs/compatibility.md has {name} twice");
    }
    assert!(!lines.is_empty(), "docs/compatibility.md has no table below \"{heading}\"");
    lines
}

fn parse(line: &str) -> Option<(String, Line)> {
    let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
    let [name, about, marks @ .., why] = cells.as_slice() else { return None };
    let marks = marks.iter().map(|cell| match *cell {
        "yes" => Some(Mark::Yes),
        "no" => Some(Mark::No),
        "sometimes" => Some(Mark::Sometimes),
        _ => None,
    });
    let line = Line { about: (*about).to_owned(), marks: marks.collect::<Option<_>>()?, why: (*why).to_owned() };
    Some((name.trim_matches('`').to_owned(), line))
}

impl Line {
    /// What is wrong with the table itself.
    pub fn complaint(&self, ways: usize) -> Option<String> {
        let all_well = self.marks.iter().all(|mark| *mark == Mark::Yes);
        match () {
            () if self.marks.len() != ways => Some(format!("{} marks instead of {ways}", self.marks.len())),
            () if !all_well && self.why.is_empty() => Some("does not say why it does not work".to_owned()),
            () => None,
        }
    }
}

/// Compares what happened with the mark: `outcome` is an error if any run differed from a native one.
pub fn judge(mark: Mark, outcome: Result<(), String>) -> Result<(), String> {
    match (mark, outcome) {
        (Mark::Yes, Err(error)) => Err(error),
        (Mark::No, Ok(())) => Err("works now: say yes in docs/compatibility.md".to_owned()),
        _ => Ok(()),
    }
}
