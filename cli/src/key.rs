//! `eos-rdma key new`.

use crate::args::KeyCommand;
use crate::error::CliError;
use eos_verbs::session::ClusterKey;

/// Makes a key file.
pub fn key(command: KeyCommand) -> Result<(), CliError> {
    let KeyCommand::New { file } = command;
    ClusterKey::generate()?.save(&file)?;
    println!("{}: a new key; copy it to every host of the cluster and keep it secret", file.display());
    Ok(())
}
