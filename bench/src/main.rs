//! `eos-bench`: micro-benchmarks of this machine and of the runtime on it, and the whole evaluation.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use eos_bench::figures::{self, options::FiguresOptions};
use eos_bench::micro::floors::Floors;
use eos_bench::micro::peer::{self, PeerOptions};
use eos_bench::micro::{MicroError, probe, table};

#[derive(Parser, Debug)]
#[command(version, about = "What this machine allows, and what eos-rdma makes of it")]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Measures the floors of this machine, and with --eos the runtime beside them
    Micro {
        /// Path of eos-rdma, to measure pulls, a system call and jumps beside their floors
        #[arg(long, value_name = "EOS_RDMA")]
        eos: Option<PathBuf>,
        /// Also exchange messages with an `eos-bench peer` there, for example in a network namespace
        #[arg(long, value_name = "HOST:PORT")]
        netns_peer: Option<String>,
        /// Write the rows to this file as well, as JSON
        #[arg(long, value_name = "FILE")]
        json: Option<String>,
    },
    /// Runs the whole evaluation on this machine, beside swap, and writes a report. Networks and swap need root
    Figures(FiguresOptions),
    /// Answers the messages of `eos-bench micro`
    Peer(PeerOptions),
}

fn micro(eos: Option<PathBuf>, peer: Option<&str>, json: Option<&str>) -> Result<(), MicroError> {
    let floors = Floors::measure(peer)?;
    let mut rows = floors.rows();
    let outcome = eos.map_or(Ok(Vec::new()), |eos| probe::rows(&eos, &floors));
    rows.extend(outcome.as_deref().unwrap_or_default().iter().cloned());
    println!("{}", table::render(&rows));
    json.map_or(Ok(()), |path| table::write_json(path, &rows))?;
    outcome.map(|_| ())
}

fn main() -> ExitCode {
    let outcome = match Options::parse().command {
        Command::Micro { eos, netns_peer, json } => {
            micro(eos, netns_peer.as_deref(), json.as_deref()).map_err(|error| error.to_string())
        }
        Command::Figures(options) => figures::run(&options).map_err(|error| error.to_string()),
        Command::Peer(options) => peer::serve(&options).map_err(|error| format!("peer: {error}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("eos-bench: {message}");
            ExitCode::FAILURE
        }
    }
}
