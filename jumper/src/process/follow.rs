//! How a program that another one executes is hosted: `eos-rdma` executes itself, and the new process finds in a file in memory what to
//! run and how.
//!
//! # Safety
//!
//! The descriptor comes by number from the process that this one was; it is checked to be open.

use std::ffi::{CString, c_char};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use rustix::fs::MemfdFlags;
use serde::{Deserialize, Serialize};

use crate::cluster::nursery;
use crate::cluster::spawn::OWN_EXE;
use crate::config::{Command, RunOptions};
use crate::low_fds::FLOOR;

/// Name of the hidden subcommand; its argument is the number of the descriptor.
pub const FOLLOW_COMMAND: &str = "follow";

/// What the new process is told.
#[derive(Serialize, Deserialize)]
pub struct Following {
    /// What to run.
    pub command: Command,
    /// How.
    pub options: RunOptions,
    /// The door of the process that starts local peers, if the run has one: see [`nursery`].
    pub(super) nursery: Option<RawFd>,
}

impl Following {
    /// Reads what [`Following::prepare`] has written, and closes the descriptor.
    ///
    /// # Errors
    /// It is no such descriptor.
    pub fn take(fd: RawFd) -> io::Result<Following> {
        // SAFETY: F_GETFD changes nothing.
        if fd <= 2 || unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // SAFETY: open, and opened for this process alone.
        let mut file = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
        let mut bytes = Vec::new();
        file.rewind()?;
        file.read_to_end(&mut bytes)?;
        let following: Following =
            postcard::from_bytes(&bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        following.nursery.map_or(Ok(()), nursery::adopt)?;
        Ok(following)
    }

    /// Everything that can fail before this process is given up.
    pub(super) fn prepare(mut self) -> io::Result<Launch> {
        let nursery = nursery::door().map(|door| surviving(door.as_raw_fd())).transpose()?;
        self.nursery = nursery.as_ref().map(AsRawFd::as_raw_fd);
        let bytes = postcard::to_stdvec(&self).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let memory = rustix::fs::memfd_create("eos-follow", MemfdFlags::CLOEXEC)?;
        let mut written = 0;
        while written < bytes.len() {
            written += rustix::io::pwrite(&memory, &bytes[written..], written as u64)?;
        }
        let file = surviving(memory.as_raw_fd())?;
        let number = CString::new(file.as_raw_fd().to_string())?;
        let command = CString::new(FOLLOW_COMMAND)?;
        Ok(Launch { words: [c"eos-rdma".to_owned(), command, number], _file: file, _nursery: nursery })
    }
}

/// A copy of a descriptor that execve leaves open, beyond the numbers that the program may look at.
fn surviving(fd: RawFd) -> io::Result<OwnedFd> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    let floor = FLOOR.min(limit / 2) as i32;
    // SAFETY: duplicates a descriptor of ours; the result is checked before it is taken over.
    unsafe {
        match libc::fcntl(fd, libc::F_DUPFD, floor) {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd)),
        }
    }
}

/// A process that is ready to become another.
pub(super) struct Launch {
    words: [CString; 3],
    _file: OwnedFd,
    _nursery: Option<OwnedFd>,
}

impl Launch {
    /// Becomes the new process; returns only if the kernel refuses.
    pub(super) fn launch(&self) -> io::Error {
        let mut argv: Vec<*const c_char> = self.words.iter().map(|word| word.as_ptr()).collect();
        argv.push(ptr::null());
        let exe = CString::new(OWN_EXE).unwrap_or_default();
        let envp: [*const c_char; 1] = [ptr::null()];
        // SAFETY: both arrays end with a null, and their strings live until the call.
        unsafe { libc::execve(exe.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
        io::Error::last_os_error()
    }
}
