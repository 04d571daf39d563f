//! The options of every command.

use clap::{Args, Parser, Subcommand};
use eos_jumper::cluster::hosts::MAX_PEERS;
use eos_jumper::config::JumpRule;
use eos_jumper::size::parse_size;
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
    /// Check this machine and the peers, and say what helps
    Doctor(DoctorArgs),
    /// Measure the wire to a peer
    Bench {
        #[command(subcommand)]
        command: BenchCommand,
    },
    /// Make the key that the hosts of a cluster share
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// One run's process on a peer; started by serve and run
    #[command(hide = true)]
    Worker(WorkerArgs),
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
    /// Memory of the program that may be resident here [default: half of what is available]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub memory: Option<u64>,
    /// Pulls from one peer after which execution jumps there, or "never"; by default 32, and more while jumps do not pay
    #[arg(long, value_name = "never|N", value_parser = parse_jump)]
    pub jump: Option<JumpRule>,
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
    /// Memory to offer [default: half of what is available]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub memory: Option<u64>,
    /// Key of the cluster; without one only programs on this machine can call
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

fn parse_jump(text: &str) -> Result<JumpRule, String> {
    match text {
        "never" => Ok(JumpRule::Never),
        _ => match text.parse() {
            Ok(0) | Err(_) => Err("it is \"never\" or a number of pulls from 1 on".to_owned()),
            Ok(pulls) => Ok(JumpRule::After(pulls)),
        },
    }
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
