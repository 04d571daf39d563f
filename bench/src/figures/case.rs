//! One thing to measure.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

pub use super::terms::{Budget, Link, Program};

/// How its memory is made to suffice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// All memory local, without the runtime.
    Native,
    /// A memory limit, and swap on compressed memory.
    Zram,
    /// A memory limit, and a swap file on the disk.
    Disk,
    /// A memory limit, and a swap file on another node.
    Network,
    /// The runtime without jumps.
    Never,
    /// The runtime, jumping after so many pulls from one node.
    Threshold(u32),
    /// The runtime decides by itself.
    Auto,
    /// Stands for the thresholds of the sweep on the command line; no case has it.
    Sweep,
}

impl Method {
    /// All of them.
    pub const DEFAULT: [Self; 7] =
        [Self::Native, Self::Zram, Self::Disk, Self::Network, Self::Never, Self::Sweep, Self::Auto];

    /// Reads a word of the command line.
    ///
    /// # Errors
    /// A sentence with the words that there are.
    pub fn parse(word: &str) -> Result<Self, String> {
        Ok(match word {
            "native" => Self::Native,
            "zram" => Self::Zram,
            "disk" => Self::Disk,
            "network" => Self::Network,
            "never" => Self::Never,
            "auto" => Self::Auto,
            "sweep" => Self::Sweep,
            _ => Self::Threshold(word.parse().map_err(|_| {
                format!("`{word}` is none of native, zram, disk, network, never, sweep, auto, or a threshold")
            })?),
        })
    }

    /// Whether the kernel's swap does it.
    #[must_use]
    pub fn is_swap(self) -> bool {
        matches!(self, Self::Zram | Self::Disk | Self::Network)
    }

    /// Whether the runtime does it; the word after `--jump`.
    #[must_use]
    pub fn jump(self) -> Option<String> {
        matches!(self, Self::Never | Self::Threshold(_) | Self::Auto).then(|| self.to_string())
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native => f.write_str("native"),
            Self::Zram => f.write_str("zram"),
            Self::Disk => f.write_str("disk"),
            Self::Network => f.write_str("network"),
            Self::Never => f.write_str("never"),
            Self::Threshold(pulls) => write!(f, "{pulls}"),
            Self::Auto => f.write_str("auto"),
            Self::Sweep => f.write_str("sweep"),
        }
    }
}

/// One thing to measure. What does not matter to a method is none: a native run has no budget, zram no link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Case {
    /// What runs.
    pub program: Program,
    /// How.
    pub method: Method,
    /// With how much local memory.
    pub budget: Option<Budget>,
    /// Over what.
    pub link: Option<Link>,
    /// On how many nodes.
    pub nodes: Option<u8>,
}

impl Case {
    /// The case with what matters to its method, of what is given; none where the method needs a link that is no network.
    #[must_use]
    pub fn new(program: Program, method: Method, budget: Budget, link: Link, nodes: u8) -> Option<Self> {
        let mut case = Self { program, method, budget: Some(budget), link: Some(link), nodes: Some(nodes) };
        match method {
            Method::Sweep => return None,
            Method::Native => case = Self { budget: None, link: None, nodes: None, ..case },
            Method::Zram | Method::Disk => case = Self { link: None, nodes: None, ..case },
            Method::Network => {
                link.rate()?;
                case.nodes = None;
            }
            Method::Never | Method::Threshold(_) | Method::Auto => {}
        }
        Some(case)
    }

    /// The same program and place by another method.
    #[must_use]
    pub fn with_method(&self, method: Method) -> Self {
        let (budget, link) = (self.budget.unwrap_or(Budget(50)), self.link.unwrap_or(Link::Tcp1));
        Self::new(self.program, method, budget, link, self.nodes.unwrap_or(2)).unwrap_or(*self)
    }

    /// Such as `dfs never 25 % tcp1 2 nodes`.
    #[must_use]
    pub fn name(&self) -> String {
        let word = |value: Option<String>| value.map(|value| format!(" {value}")).unwrap_or_default();
        let program = self.program.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        format!(
            "{program} {}{}{}{}",
            self.method,
            word(self.budget.map(|budget| format!("{budget} %"))),
            word(self.link.map(|link| link.word().to_owned())),
            word(self.nodes.map(|nodes| format!("{nodes} nodes"))),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_has_only_what_matters_to_its_method() {
        let case = |method, link| Case::new(Program::Dfs, method, Budget(25), link, 3);
        assert_eq!(case(Method::Native, Link::Shm), case(Method::Native, Link::Tcp1));
        assert_eq!(case(Method::Zram, Link::Shm), case(Method::Zram, Link::Tcp10));
        assert_ne!(case(Method::Network, Link::Tcp1), case(Method::Network, Link::Tcp10));
        assert_eq!(case(Method::Network, Link::Shm), None);
        assert_eq!(case(Method::Sweep, Link::Tcp1), None);
        assert_eq!(
            case(Method::Never, Link::Tcp1).map(|case| case.name()),
            Some("dfs never 25 % tcp1 3 nodes".to_owned())
        );
    }

    #[test]
    fn words_are_read_and_bad_ones_explained() {
        assert_eq!(Method::parse("512"), Ok(Method::Threshold(512)));
        assert!(Method::parse("often").is_err_and(|error| error.contains("often") && error.contains("zram")));
        assert_eq!(Budget::parse("25%"), Ok(Budget(25)));
        assert!(Budget::parse("0").is_err());
        assert_eq!(Budget(25).bytes(1 << 20), 256 << 10);
    }
}
