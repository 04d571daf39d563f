//! The other end of the measurements: a worker whose memory home reads and writes, and who sends messages back.

use super::REGION_BYTES;
use super::perftest;
use crate::RunError;
use crate::cluster::worker_entry::{EXIT_HOME_GONE, WorkerStart};
use eos_verbs::{Mailbox, VerbsError};

/// First byte of a message that comes back as it is.
pub(super) const ECHO: u8 = 0;
/// First byte of a request for a perftest server.
pub(super) const PERFTEST: u8 = 1;

/// Serves home until it is gone. Ends the process.
///
/// # Errors
/// Home sent something that makes no sense, or the wire failed.
pub fn serve(mut start: WorkerStart) -> Result<std::convert::Infallible, RunError> {
    // what is read and written counts against the daemon's memory, as in a run
    start.lease.take(u32::try_from(REGION_BYTES.div_ceil(start.lease.slab_bytes())).unwrap_or(u32::MAX));
    let (mailbox, mut message) = (Mailbox::new(), Vec::new());
    let mut server = None;
    loop {
        match mailbox.wait(&mut start.links, &mut message, None) {
            Ok(Some(0)) => {}
            Ok(_) => return Err(RunError::Internal("a message came from nowhere")),
            Err(VerbsError::Disconnected { .. }) => std::process::exit(EXIT_HOME_GONE),
            Err(error) => return Err(error.into()),
        }
        let home = start.links[0].as_mut().ok_or(RunError::Internal("there is no link to home"))?;
        match message.first() {
            Some(&ECHO) => home.send(&[&message])?,
            Some(&PERFTEST) => {
                // the last one has ended with its client, or is ended here
                drop(server.take());
                let (answer, started) = perftest::answer(&message[1..]);
                server = started;
                home.send(&[&answer])?;
            }
            _ => return Err(RunError::Internal("home asks for something unknown; run the same version on both hosts")),
        }
    }
}
