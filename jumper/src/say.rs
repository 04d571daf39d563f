//! Lines of our own for the person at the terminal.

use crate::own_fds::OwnFds;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::OnceLock;

static KEPT: OnceLock<File> = OnceLock::new();

/// From now on [`say`] writes to what stderr is now, whatever the program does to descriptor 2: many
/// close it at the end.
pub fn keep_stderr() {
    if let Ok(copy) = io::stderr().as_fd().try_clone_to_owned() {
        // a second call changes nothing
        let _ = KEPT.set(File::from(copy));
    }
}

/// The descriptor behind [`keep_stderr`], if there is one.
pub fn kept_stderr() -> OwnFds {
    let mut kept = OwnFds::default();
    if let Some(file) = KEPT.get() {
        kept.add(file);
    }
    kept
}

/// Writes `eos-rdma: …` to stderr, as one write so that lines of several processes do not mix. A
/// stderr that is closed is no reason to fail.
pub fn say(line: fmt::Arguments<'_>) {
    let text = format!("eos-rdma: {line}\n");
    let _ = match KEPT.get() {
        Some(mut kept) => kept.write_all(text.as_bytes()),
        None => io::stderr().write_all(text.as_bytes()),
    };
}
