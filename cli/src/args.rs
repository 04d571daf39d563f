//! The options of every command.

use clap::{Args, Parser, Subcommand};
use eos_jumper::cluster::hosts::MAX_PEERS;
use eos_jumper::compress::Compress;
use eos_jumper::config::JumpRule;
use eos_jumper::size::parse_size;
use eos_policy::NODES;
use eos_policy::sim::cache::CachePolicy;
use eos_policy::sim::world::Costs;
use eos_verbs::TransportChoice;
use std::ffi::OsString;
use std::os::fd::RawFd;
use std::path::PathBuf;

/// Runs an unmodified program over the memory of several machines.
#[derive(Debug, Parser)]
#[command(name = "eos-rdma", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a program whose memory stretches over peers
    Run(RunArgs),
    /// Offer this machine's memory and processor to runs elsewhere
    Serve(ServeArgs),
    /// Tell a daemon how much memory to lend, or ask how much it lends
    Lend(LendArgs),
    /// Check this machine and the peers, and say what helps
    Doctor(DoctorArgs),
    /// Measure the wire to a peer
    Bench {
        #[command(subcommand)]
        command: BenchCommand,
    },
    /// Replay a recorded run with other rules, budgets and prices
    Sim(SimArgs),
    /// Make the key that the hosts of a cluster share
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// One run's process on a peer; started by serve and run
    #[command(hide = true)]
    Worker(WorkerArgs),
    /// A program that another one has executed; started by run
    #[command(hide = true)]
    Follow {
        /// Descriptor that says what to run
        fd: RawFd,
    },
    /// Starts the local peers of a run; started by run
    #[command(hide = true)]
    Nursery {
        /// Descriptor on which they are asked for
        fd: RawFd,
    },
    /// Print where this process lies in memory; for tests
    #[command(hide = true)]
    Layout,
}

#[derive(Debug, Args)]
#[command(
    override_usage = "eos-rdma run [OPTIONS] PROGRAM [OPTIONS] [-- ARGS...]\n       \
                      eos-rdma run [OPTIONS] -- PROGRAM ARGS...",
    after_help = "Exit status: the program's own; 125 if eos-rdma itself fails, 126 if the \
                  program cannot be run, 127 if it is not found."
)]
pub struct RunArgs {
    /// The program: a path, or a name to look up in PATH
    #[arg(value_name = "PROGRAM")]
    pub program: Option<OsString>,
    /// Its arguments, after "--"
    #[arg(value_name = "ARGS", last = true)]
    pub arguments: Vec<OsString>,
    /// File that names the peers, one "HOST[:PORT] [memory=SIZE]" a line
    #[arg(long, value_name = "FILE", conflicts_with = "local")]
    pub peers: Option<PathBuf>,
    /// Start this many peers on this machine, and end them with the program
    #[arg(long, value_name = "N", value_parser = parse_local)]
    pub local: Option<usize>,
    /// Memory of the program that may be resident here, as 256M, or as 25% of what this machine or control group has
    /// [default: with --peers what the machine can spare, followed while the program runs; else half of what is available]
    #[arg(long, value_name = "SIZE|N%", value_parser = parse_memory)]
    pub memory: Option<MemoryArg>,
    /// When execution jumps to a peer: "auto" when it pays, by what pulls and jumps cost; N, after as many pulls from there; or "never"
    #[arg(long, value_name = "auto|never|N", value_parser = parse_jump, default_value = "auto")]
    pub jump: JumpRule,
    /// Whether pages come along with those that the program asks for, where it goes through memory in an order
    #[arg(long, value_name = "on|off", value_parser = parse_switch, default_value = "on")]
    pub prefetch: Switch,
    /// Whether pages are compressed on their way over tcp: "auto" where it pays, by what the link carries
    #[arg(long, value_name = "auto|on|off", value_parser = parse_compress, default_value = "auto")]
    pub compress: Compress,
    /// How pages travel: auto, rdma, tcp or shm
    #[arg(long, value_name = "TRANSPORT", default_value_t = TransportChoice::Auto)]
    pub transport: TransportChoice,
    /// Key of the cluster, made by "eos-rdma key new FILE"
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Print what moved and how long it took, at the end, on stderr
    #[arg(long)]
    pub stats: bool,
    /// Write the same as JSON
    #[arg(long, value_name = "FILE")]
    pub stats_json: Option<PathBuf>,
    /// Record the page accesses of the program in FILE, for "eos-rdma sim"
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Programs that the program executes run natively, outside of eos-rdma
    #[arg(long)]
    pub no_follow_exec: bool,
    /// For tests: evict and jump at random faults and system calls, reproducibly
    #[arg(long, value_name = "SEED")]
    pub torture: Option<u64>,
    /// Tell what is decided and why, on stderr
    #[arg(long, short)]
    pub verbose: bool,
}

#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS[:PORT]", default_value = "127.0.0.1:7471")]
    pub listen: String,
    /// Memory to offer at most, as 2G, or as 25% of what this machine or control group has
    /// [default: what the machine can spare, followed while runs go on]
    #[arg(long, value_name = "SIZE|N%", value_parser = parse_memory)]
    pub memory: Option<MemoryArg>,
    /// Offer less, and ask lent memory back, while the machine has less than this available
    /// [default: none with --memory; else a tenth, 32M to 1G]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub keep_free: Option<u64>,
    /// Key of the cluster; without one only programs on this machine can call
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 if no more is lent than that, 1 if memory stays lent that the daemon wants back, 125 if \
                        the daemon cannot be asked."
)]
pub struct LendArgs {
    /// The daemon
    #[arg(long, value_name = "HOST[:PORT]", default_value = "127.0.0.1:7471")]
    pub daemon: String,
    /// Lend at most so much from now on, as 1G, or as 25% of what its machine has, or all that it was started with; runs are
    /// asked for what is lent beyond that [default: only ask]
    #[arg(long, value_name = "SIZE|N%|all", value_parser = parse_lend)]
    pub memory: Option<LendArg>,
    /// Seconds to wait for memory that is asked back
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub wait: u64,
    /// Key of the cluster, made by "eos-rdma key new FILE"
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "Exit status: 0 if runs work, 1 if something they need is missing, 125 for wrong usage.")]
pub struct DoctorArgs {
    /// File that names peers to check, one "HOST[:PORT] [memory=SIZE]" a line
    #[arg(long, value_name = "FILE")]
    pub peers: Option<PathBuf>,
    /// Key of the cluster, made by "eos-rdma key new FILE"
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// What must be possible: auto, rdma, tcp or shm
    #[arg(long, value_name = "TRANSPORT", default_value_t = TransportChoice::Auto)]
    pub transport: TransportChoice,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Latency and bandwidth of READ, WRITE and SEND, beside those of perftest where it is installed
    Verbs(VerbsArgs),
}

#[derive(Debug, Args)]
pub struct VerbsArgs {
    /// A peer where "eos-rdma serve" runs, may be given several times [default: a process on this machine]
    #[arg(long, value_name = "HOST[:PORT]", num_args = 1..)]
    pub peer: Vec<String>,
    /// How bytes travel: auto, rdma, tcp or shm
    #[arg(long, value_name = "TRANSPORT", default_value_t = TransportChoice::Auto)]
    pub transport: TransportChoice,
    /// Key of the cluster, made by "eos-rdma key new FILE"
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Calls that are timed for each number, at most
    #[arg(long, value_name = "N", default_value_t = 2000)]
    pub rounds: usize,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct SimArgs {
    /// What "eos-rdma run --record FILE" wrote
    #[arg(value_name = "TRACE")]
    pub trace: PathBuf,
    /// Memory at home [default: half of the program's pages]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub memory: Option<u64>,
    /// Memory of each peer [default: as much as the program has]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub peer_memory: Option<u64>,
    /// Nodes, home included
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(2..=NODES as i64))]
    pub nodes: u8,
    /// What things cost: as over tcp at 1 or 10 Gbit/s, or over shared memory
    #[arg(long, value_name = "tcp-1g|tcp-10g|shm", value_parser = parse_cost, default_value = "tcp-1g")]
    pub cost: Costs,
    /// Microseconds of a jump
    #[arg(long, value_name = "US")]
    pub jump_us: Option<f64>,
    /// Microseconds of a pull
    #[arg(long, value_name = "US")]
    pub pull_us: Option<f64>,
    /// Microseconds of the pull of the page behind the last one [default: as any pull]
    #[arg(long, value_name = "US")]
    pub next_us: Option<f64>,
    /// Microseconds that a push adds
    #[arg(long, value_name = "US")]
    pub push_us: Option<f64>,
    /// Rules to try, with commas: never, auto, numbers of pulls [default: a sweep]
    #[arg(long, value_name = "RULES", value_parser = parse_jump, value_delimiter = ',')]
    pub jump: Vec<JumpRule>,
    /// Cache policies to compare, with commas [default: all]
    #[arg(long, value_name = "NAMES", value_parser = parse_policy, value_delimiter = ',')]
    pub policy: Vec<CachePolicy>,
    /// Draw thresholds against time, jumps and pulls, as SVG
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a new key and write it to FILE
    New {
        /// The file; it must not exist yet
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub struct WorkerArgs {
    pub parent: RawFd,
    pub control: RawFd,
    pub lease: RawFd,
    pub setup: RawFd,
}

/// On or off.
pub type Switch = bool;

fn parse_switch(text: &str) -> Result<Switch, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("it is \"on\" or \"off\"".to_owned()),
    }
}

/// What `--memory` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryArg {
    /// So many bytes.
    Bytes(u64),
    /// A share of what there is.
    Percent(u8),
}

fn parse_memory(text: &str) -> Result<MemoryArg, String> {
    let Some(number) = text.trim().strip_suffix('%') else {
        return parse_size(text).map(MemoryArg::Bytes).map_err(|error| error.to_string());
    };
    match number.parse() {
        Ok(percent @ 1..=100) => Ok(MemoryArg::Percent(percent)),
        _ => Err("a share is from 1% to 100%".to_owned()),
    }
}

/// How much a daemon is to lend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LendArg {
    /// What it was started with.
    All,
    /// At most so much.
    AtMost(MemoryArg),
}

fn parse_lend(text: &str) -> Result<LendArg, String> {
    match text {
        "all" => Ok(LendArg::All),
        // No size that a run could have; here it means that all is to come back.
        "0" => Ok(LendArg::AtMost(MemoryArg::Bytes(0))),
        _ => parse_memory(text).map(LendArg::AtMost),
    }
}

fn parse_jump(text: &str) -> Result<JumpRule, String> {
    match text {
        "auto" => Ok(JumpRule::Auto),
        "never" => Ok(JumpRule::Never),
        _ => match text.parse() {
            Ok(0) | Err(_) => Err("it is \"auto\", \"never\" or a number of pulls from 1 on".to_owned()),
            Ok(pulls) => Ok(JumpRule::After(pulls)),
        },
    }
}

fn parse_compress(text: &str) -> Result<Compress, String> {
    match text {
        "auto" => Ok(Compress::Auto),
        "on" => Ok(Compress::On),
        "off" => Ok(Compress::Off),
        _ => Err("it is \"auto\", \"on\" or \"off\"".to_owned()),
    }
}

fn parse_cost(text: &str) -> Result<Costs, String> {
    match text {
        "tcp-1g" => Ok(Costs::TCP_1G),
        "tcp-10g" => Ok(Costs::TCP_10G),
        "shm" => Ok(Costs::SHM),
        _ => Err("it is tcp-1g, tcp-10g or shm; --pull-us and others set single prices".to_owned()),
    }
}

fn parse_policy(text: &str) -> Result<CachePolicy, String> {
    let names = || CachePolicy::ALL.map(CachePolicy::name).join(", ");
    CachePolicy::by_name(text).ok_or_else(|| format!("there are {}", names()))
}

fn parse_local(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if (1..=MAX_PEERS).contains(&count) => Ok(count),
        _ => Err(format!("it is a number from 1 to {MAX_PEERS}")),
    }
}

impl RunArgs {
    /// Program and arguments, wherever the "--" stands; `None` without a program.
    pub fn take_command(&mut self) -> Option<(OsString, Vec<OsString>)> {
        let mut words = std::mem::take(&mut self.arguments);
        match self.program.take() {
            Some(program) => Some((program, words)),
            None if words.is_empty() => None,
            None => Some((words.remove(0), words)),
        }
    }
}

#[cfg(test)]
#[path = "args_tests.rs"]
mod tests;
