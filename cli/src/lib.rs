//! The command line of eos-rdma: reads options, calls the library, turns errors into one sentence.

mod args;
mod bench;
mod doctor;
mod error;
mod key;
mod layout_check;
mod lend;
mod plot;
mod run;
mod serve;
mod sim;
mod stats;
mod worker;

use args::{Cli, Command};
use clap::Parser;
use eos_jumper::EXIT_OWN_ERROR;
use eos_jumper::cluster::nursery;
use eos_jumper::say::say;
use error::CliError;
use std::io::Write;

/// The whole program: returns the exit status. A program that was run ends the process itself.
pub fn main() -> i32 {
    let status = match Cli::try_parse() {
        Ok(cli) => execute(cli),
        Err(error) => usage(&error),
    };
    // nobody else does: Rust's own exit code is not part of this executable
    let _ = std::io::stdout().flush();
    status
}

fn usage(error: &clap::Error) -> i32 {
    let _ = error.print();
    if error.use_stderr() { EXIT_OWN_ERROR } else { 0 }
}

fn execute(cli: Cli) -> i32 {
    let original = layout_check::restore();
    let outcome = match cli.command {
        Command::Run(args) => upper_half(original).and_then(|()| run::run(args)),
        Command::Serve(args) => serve::serve(args),
        Command::Doctor(args) => match doctor::doctor(args, layout_check::ensure(original)) {
            Ok(status) => return status,
            Err(error) => Err(error),
        },
        Command::Lend(args) => match lend::lend(args) {
            Ok(status) => return status,
            Err(error) => Err(error),
        },
        Command::Bench { command } => bench::bench(command),
        Command::Sim(args) => sim::sim(args),
        Command::Key { command } => key::key(command),
        Command::Worker(args) => upper_half(original).and_then(|()| worker::worker(args)),
        Command::Follow { fd } => upper_half(original).and_then(|()| run::follow(fd)),
        Command::Nursery { fd } => nursery::serve(fd).map_err(CliError::Nursery),
        Command::Layout => upper_half(original).map(|()| layout_check::print()),
    };
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            say(format_args!("{error}"));
            error.exit_status()
        }
    }
}

fn upper_half(original: Option<layout_check::Original>) -> Result<(), CliError> {
    Ok(layout_check::ensure(original)?)
}

impl CliError {
    fn exit_status(&self) -> i32 {
        match self {
            CliError::Run(error) => error.exit_status(),
            _ => EXIT_OWN_ERROR,
        }
    }
}
