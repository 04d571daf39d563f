//! `eos-rdma run`: options into a [`RunConfig`], and off.

use crate::args::RunArgs;
use crate::error::CliError;
use crate::stats::StatsOutput;
use eos_jumper::cluster::host::memory_available;
use eos_jumper::cluster::hosts;
use eos_jumper::config::{JUMP_THRESHOLD_DEFAULT, JumpRule, PeerChoice, RunConfig};
use eos_jumper::low_fds::LowFds;
use eos_jumper::say::keep_stderr;
use eos_verbs::session::ClusterKey;
use std::ffi::OsString;
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

fn resolve(mut args: RunArgs) -> Result<RunConfig, CliError> {
    // first of all: what is opened below stays open while the program runs
    let low_fds = LowFds::reserve().map_err(CliError::Descriptors)?;
    keep_stderr();
    let (program, arguments) = args.take_command().ok_or(CliError::NoProgram)?;
    let available = memory_available();
    let memory_bytes = match (args.memory, &available) {
        (Some(bytes), _) => bytes,
        (None, Ok(available)) => available / 2,
        (None, Err(_)) => return Err(CliError::FreeMemory(available.expect_err("just seen"))),
    };
    let output = StatsOutput::new(args.stats, args.stats_json.as_deref())?;
    Ok(RunConfig {
        program,
        arguments,
        environment: environment(),
        peers: peers(&args, available.unwrap_or(0))?,
        memory_bytes: memory_bytes.max(MEMORY_MIN),
        jump: args.jump.unwrap_or(JumpRule::Damped(JUMP_THRESHOLD_DEFAULT)),
        transport: args.transport,
        key: load_key(args.key.as_deref())?,
        report: output.into_report(),
        torture: args.torture,
        verbose: args.verbose,
        low_fds,
    })
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
