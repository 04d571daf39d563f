//! `--record`: the witness of the pager fills a buffer on the node that executes; here it goes to home's file.
//!
//! A peer sends its blocks home by message, and what is left before execution leaves it: so blocks of a node are in order, and those
//! of several nodes are put in order by their times when the file is read. When the file cannot be written any more, that is
//! said once; the run goes on, and what was written is a readable trace of its beginning.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use eos_pager::witness::Witness;
use eos_policy::sim::trace::Header;
use eos_verbs::NodeId;

use crate::RunError;
use crate::executor::Executor;
use crate::jump::messages;
use crate::say::say;

/// Bytes of events after which they are taken out of the witness's buffer.
const BLOCK_BYTES: usize = 48 << 10;

/// Where a run is recorded.
#[derive(Debug)]
pub struct Recording {
    /// Opened for writing before the program runs, out of its reach.
    pub file: File,
    /// Its name, for messages.
    pub path: PathBuf,
}

impl Recording {
    /// Writes the header.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn begin(&mut self, header: &Header) -> std::io::Result<()> {
        self.file.write_all(&header.encode())
    }
}

impl Executor {
    /// Takes events out of the buffer once there are many.
    pub(crate) fn record(&mut self) -> Result<(), RunError> {
        match &self.pager.witness {
            Some(witness) if witness.encoder.len() >= BLOCK_BYTES => self.record_all(),
            _ => Ok(()),
        }
    }

    /// Takes all events out of the buffer: before execution leaves, and at the end.
    pub(crate) fn record_all(&mut self) -> Result<(), RunError> {
        let Some(mut witness) = self.pager.witness.take() else {
            return Ok(());
        };
        let me = self.pager.me.0;
        let block = witness.encoder.block(me);
        let outcome = match block.is_empty() {
            true => Ok(()),
            false if self.at_home() => {
                self.write_record(block);
                Ok(())
            }
            false => self.send(NodeId::HOME, &[&[messages::RECORD], block]),
        };
        witness.encoder.clear();
        if self.records() {
            self.pager.witness = Some(witness);
        }
        outcome
    }

    /// A peer always goes on; home until its file fails.
    fn records(&self) -> bool {
        self.home.as_ref().is_none_or(|home| home.recording.is_some())
    }

    /// Writes a block to the file, at home.
    pub(crate) fn write_record(&mut self, block: &[u8]) {
        let Some(home) = &mut self.home else {
            return;
        };
        let Some(recording) = &mut home.recording else {
            return;
        };
        if let Err(error) = recording.file.write_all(block) {
            let path = recording.path.display();
            say(format_args!(
                "recording ends here: {path} cannot be written ({error}); the program goes on, the trace is readable so far"
            ));
            home.recording = None;
        }
    }

    /// At the end: what is left, and what did not fit.
    pub(crate) fn end_record(&mut self) {
        let lost = self.pager.witness.as_ref().map_or(0, |witness| witness.encoder.lost());
        if lost > 0 {
            say(format_args!("the trace lacks {lost} events of system calls with very large buffers"));
        }
        let _ = self.record_all();
    }

    /// A forked child is not recorded; the descriptor is closed already.
    pub(crate) fn forget_record(&mut self) {
        self.pager.witness = None;
        if let Some(recording) = self.home.as_mut().and_then(|home| home.recording.take()) {
            std::mem::forget(recording);
        }
    }
}

/// A witness for this node if the run is recorded.
pub(crate) fn witness(recorded: bool) -> Option<Witness> {
    recorded.then(Witness::new)
}
