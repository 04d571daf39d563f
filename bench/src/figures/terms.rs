//! The words of the evaluation: programs, budgets, links.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// What runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the programs explain themselves")]
pub enum Program {
    LinearSearch,
    Dfs,
    Dijkstra,
    HeapSort,
    BlockSort,
    CountSort,
    /// Each page once, ascending, eight times over.
    Scan,
    /// Each page once, shuffled, twice.
    Random,
}

impl Program {
    /// The six programs of the paper, and the two probes of single pages.
    pub const ALL: [Self; 8] = [
        Self::LinearSearch,
        Self::Dfs,
        Self::Dijkstra,
        Self::HeapSort,
        Self::BlockSort,
        Self::CountSort,
        Self::Scan,
        Self::Random,
    ];

    /// Whether it is one of the six; the others tell the time of a page.
    #[must_use]
    pub fn is_workload(self) -> bool {
        !matches!(self, Self::Scan | Self::Random)
    }

    /// How often a probe reads each of its pages; 0 of a workload.
    #[must_use]
    pub fn passes(self) -> u32 {
        match self.command().1 {
            [.., "--passes", count] => count.parse().unwrap_or(0),
            _ => 0,
        }
    }

    /// Name of the executable, and arguments besides the size.
    #[must_use]
    pub fn command(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::LinearSearch => ("linear_search", &[]),
            Self::Dfs => ("dfs", &[]),
            Self::Dijkstra => ("dijkstra", &[]),
            Self::HeapSort => ("heap_sort", &[]),
            Self::BlockSort => ("block_sort", &[]),
            Self::CountSort => ("count_sort", &[]),
            Self::Scan => ("pull_probe", &["--order", "sequential", "--passes", "8"]),
            Self::Random => ("pull_probe", &["--order", "random", "--passes", "2"]),
        }
    }
}

/// Local memory, percent of what the program uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Budget(pub u32);

impl Budget {
    /// Reads a word of the command line.
    ///
    /// # Errors
    /// A sentence.
    pub fn parse(word: &str) -> Result<Self, String> {
        let percent = word.trim_end_matches('%').parse().ok().filter(|percent| (1..=1000).contains(percent));
        percent.map(Self).ok_or_else(|| format!("`{word}` is no share; write for example 50 or 25"))
    }

    /// Whether nothing need ever be remote.
    #[must_use]
    pub fn is_ample(self) -> bool {
        self.0 >= 100
    }

    /// Bytes of a program that uses `size` bytes, whole pages.
    #[must_use]
    pub fn bytes(self, size: u64) -> u64 {
        (size * u64::from(self.0) / 100) & !4095
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What joins the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// Shared memory, all nodes on this host
    Shm,
    /// TCP between network namespaces, shaped to 1 Gbit/s
    Tcp1,
    /// TCP between network namespaces, shaped to 10 Gbit/s
    Tcp10,
}

impl Link {
    /// What `tc` takes for it; none where there is no network.
    #[must_use]
    pub fn rate(self) -> Option<&'static str> {
        match self {
            Self::Shm => None,
            Self::Tcp1 => Some("1gbit"),
            Self::Tcp10 => Some("10gbit"),
        }
    }

    /// The word of the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Shm => "shm",
            Self::Tcp1 => "tcp1",
            Self::Tcp10 => "tcp10",
        }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shm => "shared memory",
            Self::Tcp1 => "TCP at 1 Gbit/s",
            Self::Tcp10 => "TCP at 10 Gbit/s",
        })
    }
}
