//! `eos-rdma run`: options into a [`RunConfig`], and off.

use crate::args::{MemoryArg, RunArgs};
use crate::error::CliError;
use crate::stats::StatsOutput;
use eos_jumper::cluster::hosts;
use eos_jumper::config::{Command, Join, PeerChoice, RunConfig, RunOptions};
use eos_jumper::low_fds::LowFds;
use eos_jumper::process::follow::Following;
use eos_jumper::record::Recording;
use eos_jumper::say::keep_stderr;
use eos_jumper::spare::Spare;
use eos_verbs::session::ClusterKey;
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::RawFd;
use std::path::Path;

/// Smallest budget: below it not even the pages that one instruction and one call need fit.
const MEMORY_MIN: u64 = 1 << 20;

/// Smallest share of a local peer.
const LOCAL_MEMORY_MIN: u64 = 64 << 20;

/// Runs the program; returns only with an error of our own.
pub fn run(args: RunArgs) -> Result<(), CliError> {
    let config = resolve(args)?;
    match eos_jumper::run(config) {
        Ok(never) => match never {},
        Err(error) => Err(error.into()),
    }
}

/// Runs a program that one of a run has executed, in its place.
pub fn follow(fd: RawFd) -> Result<(), CliError> {
    let Following { command, options, .. } = Following::take(fd).map_err(CliError::Follow)?;
    let low_fds = LowFds::reserve().map_err(CliError::Descriptors)?;
    keep_stderr();
    let config = RunConfig { command, options, join: Join::OnNeed, report: None, recording: None, low_fds };
    match eos_jumper::run(config) {
        Ok(never) => match never {},
        Err(error) => Err(error.into()),
    }
}

fn resolve(mut args: RunArgs) -> Result<RunConfig, CliError> {
    // first of all: what is opened below stays open while the program runs
    let low_fds = LowFds::reserve().map_err(CliError::Descriptors)?;
    keep_stderr();
    let (program, arguments) = args.take_command().ok_or(CliError::NoProgram)?;
    let memory = Memory::of(&args)?;
    let output = StatsOutput::new(args.stats, args.stats_json.as_deref())?;
    let recording = args.record.as_deref().map(recording).transpose()?;
    Ok(RunConfig {
        command: Command {
            argv: std::iter::once(program.clone()).chain(arguments).collect(),
            program,
            environment: environment(),
        },
        options: RunOptions {
            peers: peers(&args, memory.available)?,
            hosts_file: args.peers.as_deref().and_then(|file| std::path::absolute(file).ok()),
            memory_bytes: memory.bytes.max(MEMORY_MIN),
            memory_most_bytes: memory.most,
            jump: args.jump,
            prefetch: args.prefetch,
            compress: args.compress,
            transport: args.transport,
            key: load_key(args.key.as_deref())?,
            torture: args.torture,
            verbose: args.verbose,
            follow_exec: !args.no_follow_exec,
        },
        join: Join::AtStart,
        report: output.into_report(),
        recording,
        low_fds,
    })
}

/// Opens the file of the trace, which the program must not reach: before its descriptors are let go.
fn recording(path: &Path) -> Result<Recording, CliError> {
    let file = File::create(path).map_err(|source| CliError::RecordFile { path: path.to_owned(), source })?;
    Ok(Recording { file, path: path.to_owned() })
}

/// The budget.
struct Memory {
    bytes: u64,
    most: Option<u64>,
    /// What could be given out now.
    available: u64,
}

impl Memory {
    /// Peers elsewhere can take what this machine cannot spare any more, so the budget follows. Local ones have the same memory.
    fn of(args: &RunArgs) -> Result<Self, CliError> {
        let found = Spare::open().and_then(|spare| Ok((spare.read()?.available, spare.total()?)));
        Ok(match (args.memory, found) {
            (Some(MemoryArg::Bytes(bytes)), found) => {
                Self { bytes, most: None, available: found.map_or(0, |(available, _)| available) }
            }
            (_, Err(error)) => return Err(CliError::FreeMemory(error)),
            (Some(MemoryArg::Percent(percent)), Ok((available, total))) => {
                Self { bytes: total / 100 * u64::from(percent), most: None, available }
            }
            (None, Ok((available, total))) if args.peers.is_some() => {
                Self { bytes: available, most: Some(total), available }
            }
            (None, Ok((available, _))) => Self { bytes: available / 2, most: None, available },
        })
    }
}

/// Local peers share half of the memory that is free; they take it only as pages move to them.
fn peers(args: &RunArgs, available: u64) -> Result<PeerChoice, CliError> {
    Ok(match (&args.peers, args.local) {
        (Some(file), _) => PeerChoice::Hosts(hosts::load(file)?),
        (None, Some(count)) => {
            PeerChoice::Local { count, memory_bytes: (available / 2 / count as u64).max(LOCAL_MEMORY_MIN) }
        }
        (None, None) => PeerChoice::None,
    })
}

/// The key in a file, or the one that everybody knows.
pub fn load_key(file: Option<&Path>) -> Result<ClusterKey, CliError> {
    Ok(match file {
        Some(file) => ClusterKey::load(file)?,
        None => ClusterKey::OPEN,
    })
}

/// The environment exactly as it was given: order, duplicates and entries without "=" included.
fn environment() -> Vec<OsString> {
    crate::layout_check::raw_environment()
}
