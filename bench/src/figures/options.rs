//! The command line of `eos-bench figures`.

use std::path::PathBuf;

use clap::Args;

use super::case::{Budget, Link, Method, Program};
use crate::program::parse_size;

/// What to measure, and where results go.
#[derive(Args, Clone, Debug)]
pub struct FiguresOptions {
    /// Path of eos-rdma; beside this program unless told
    #[arg(long, value_name = "EOS_RDMA")]
    pub eos: Option<PathBuf>,
    /// Folder for runs.jsonl, report.md and the drawings. What runs.jsonl has already is not measured again
    #[arg(long, value_name = "FOLDER", default_value = "target/figures")]
    pub out: PathBuf,
    /// Memory that each program uses
    #[arg(long, value_parser = parse_size, default_value = "256M")]
    pub size: u64,
    /// Rounds; in each, all methods take turns
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    pub runs: u32,
    /// Seconds that a run may take; slower ones are ended, and named so
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: u64,
    /// Programs; `scan` and `random` read all of their memory in order and shuffled, and tell the time of a page
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = Program::ALL)]
    pub programs: Vec<Program>,
    /// Methods; `sweep` stands for all thresholds of --thresholds, of which the best is measured in rounds
    #[arg(long, value_delimiter = ',', value_parser = Method::parse, default_values_t = Method::DEFAULT)]
    pub methods: Vec<Method>,
    /// Thresholds of the sweep
    #[arg(long, value_delimiter = ',', default_values_t = [8, 32, 128, 512, 2048, 8192])]
    pub thresholds: Vec<u32>,
    /// Budgets, percent of --size. With 100 or more nothing is remote: only what that costs is measured
    #[arg(long, value_delimiter = ',', value_parser = Budget::parse, default_values_t = [Budget(200), Budget(50), Budget(25)])]
    pub budgets: Vec<Budget>,
    /// Links between nodes
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = [Link::Shm, Link::Tcp1, Link::Tcp10])]
    pub links: Vec<Link>,
    /// Numbers of nodes, home included
    #[arg(long, value_delimiter = ',', default_values_t = [2, 3], value_parser = clap::value_parser!(u8).range(2..=9))]
    pub nodes: Vec<u8>,
    /// Processors that all of it runs on, as 0 or 0,1. The nodes take turns, and waking another processor is what costs most
    /// in a virtual machine, so it is one unless told
    #[arg(long, value_delimiter = ',', default_values_t = [0])]
    pub cpus: Vec<usize>,
    /// Only write the report again, from what has been measured
    #[arg(long)]
    pub report_only: bool,
}
