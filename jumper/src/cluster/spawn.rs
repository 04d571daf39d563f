//! Starting a worker process: the same executable again, with a few descriptors and nothing else.
//!
//! # Safety
//!
//! [`prepare_child`] runs between fork and exec, where only async-signal-safe calls are allowed: it
//! makes plain system calls and neither allocates nor locks.

use crate::cluster::messages::{WorkerSetup, encode};
use rustix::fs::MemfdFlags;
use rustix::process::{Pid, Signal};
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Name of the hidden subcommand.
pub const WORKER_COMMAND: &str = "worker";

/// The executable of this process, also if its file has been replaced or removed.
pub const OWN_EXE: &str = "/proc/self/exe";

/// What a worker inherits, in the order of the arguments of its subcommand.
pub struct Inheritance<'a> {
    /// Channels are passed to it here.
    pub parent: BorrowedFd<'a>,
    /// Home is alive as long as this is.
    pub control: BorrowedFd<'a>,
    /// The lease table.
    pub lease: BorrowedFd<'a>,
    /// The [`WorkerSetup`].
    pub setup: BorrowedFd<'a>,
}

impl Inheritance<'_> {
    fn numbers(&self) -> [RawFd; 4] {
        [self.parent, self.control, self.lease, self.setup].map(|fd| fd.as_raw_fd())
    }
}

/// A worker process and this side of the socket that channels are passed over.
pub struct Worker {
    /// The process.
    pub process: Child,
    /// For `session::pass::send_channel`.
    pub door: UnixStream,
}

/// Starts a worker. It dies with the *thread* that calls this (PR_SET_PDEATHSIG), so call it from
/// one that lives as long as the process. It is in a session of its own: a Ctrl-C for the program
/// does not reach it.
pub fn spawn_worker(
    exe: Option<&Path>,
    setup: &WorkerSetup,
    control: BorrowedFd<'_>,
    lease: BorrowedFd<'_>,
) -> io::Result<Worker> {
    let (door, parent) = UnixStream::pair()?;
    let setup = memory_file(&encode(setup))?;
    let inheritance = Inheritance { parent: parent.as_fd(), control, lease, setup: setup.as_fd() };
    let process = spawn(exe.unwrap_or(Path::new(OWN_EXE)), &inheritance)?;
    Ok(Worker { process, door })
}

fn spawn(exe: &Path, inheritance: &Inheritance<'_>) -> io::Result<Child> {
    let numbers = inheritance.numbers();
    let mut command = Command::new(exe);
    command
        .arg0("eos-rdma")
        .arg(WORKER_COMMAND)
        .args(numbers.map(|n| OsString::from(n.to_string())))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let parent = rustix::process::getpid();
    // SAFETY: `prepare_child` keeps to async-signal-safe calls, see the top of this file.
    unsafe { command.pre_exec(move || prepare_child(parent, &numbers)) };
    command.spawn()
}

/// In the child: only the given descriptors stay open, no signal is blocked, and it dies with its parent.
fn prepare_child(parent: Pid, keep: &[RawFd]) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    if rustix::process::getppid() != Some(parent) {
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    rustix::process::setsid()?;
    // SAFETY: plain system calls on numbers and on a local signal set.
    unsafe {
        libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
        for fd in keep {
            if libc::fcntl(*fd, libc::F_SETFD, 0) != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
    }
    Ok(())
}

/// A file in memory with these contents, rewound.
fn memory_file(contents: &[u8]) -> io::Result<OwnedFd> {
    let file = rustix::fs::memfd_create("eos-setup", MemfdFlags::CLOEXEC)?;
    let mut written = 0;
    while written < contents.len() {
        written += rustix::io::pwrite(&file, &contents[written..], written as u64)?;
    }
    Ok(file)
}
