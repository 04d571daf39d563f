//! Starting a worker process: the same executable again, with a few descriptors and nothing else.
//!
//! # Safety
//!
//! [`prepare_child`] runs between fork and exec, where only async-signal-safe calls are allowed: it
//! makes plain system calls and neither allocates nor locks.

use crate::cluster::messages::{WorkerSetup, encode};
use crate::cluster::nursery;
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
    let mut command = command(exe, &inheritance);
    let (numbers, parent) = (inheritance.numbers(), rustix::process::getpid());
    // SAFETY: `die_with` and `prepare_child` keep to async-signal-safe calls, see the top of this file.
    unsafe { command.pre_exec(move || die_with(parent).and_then(|()| prepare_child(&numbers))) };
    Ok(Worker { process: command.spawn()?, door })
}

/// A worker that is no child of this process, which hosts a program that may wait for all of its children.
pub struct Stranger {
    /// The process.
    pub pid: Pid,
    /// The same, safe from the number's being used again.
    pub handle: OwnedFd,
    /// For `session::pass::send_channel`.
    pub door: UnixStream,
}

/// Starts a worker as a child of nobody, or of the [`nursery`] where the run has one. It ends when `control`'s other end is closed.
pub fn spawn_stranger(
    exe: Option<&Path>,
    setup: &WorkerSetup,
    control: BorrowedFd<'_>,
    lease: BorrowedFd<'_>,
) -> io::Result<Stranger> {
    let (door, parent) = UnixStream::pair()?;
    let setup = memory_file(&encode(setup))?;
    let inheritance = Inheritance { parent: parent.as_fd(), control, lease, setup: setup.as_fd() };
    let pid = match nursery::door() {
        Some(door) => {
            let (told, tell) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
            nursery::ask(door, &inheritance, tell.as_fd())?;
            drop(tell);
            hear_number(&told)?
        }
        None => orphan(command(exe, &inheritance), &inheritance.numbers())?,
    };
    let handle = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?;
    Ok(Stranger { pid, handle, door })
}

/// Starts `eos-rdma SUBCOMMAND NUMBERS` as a child of nobody, with nothing open but these descriptors and the standard ones.
pub(super) fn spawn_orphan(subcommand: &str, keep: &[RawFd]) -> io::Result<Pid> {
    orphan(own_command(None, subcommand, keep), keep)
}

/// Starts a worker as a child of this process. It tells its number through `tell`.
pub(super) fn spawn_told(inheritance: &Inheritance<'_>, tell: BorrowedFd<'_>) -> io::Result<Child> {
    let mut command = command(None, inheritance);
    let (numbers, tell_to) = (inheritance.numbers(), tell.as_raw_fd());
    // SAFETY: `tell_number` and `prepare_child` keep to async-signal-safe calls, see the top of this file.
    unsafe { command.pre_exec(move || tell_number(tell_to).and_then(|()| prepare_child(&numbers))) };
    command.spawn()
}

fn hear_number(told: &OwnedFd) -> io::Result<Pid> {
    let mut number = [0; 4];
    if rustix::io::read(told, &mut number)? != number.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Pid::from_raw(i32::from_ne_bytes(number)).ok_or(io::ErrorKind::UnexpectedEof)?)
}

/// Has a process started that is nobody's child.
fn orphan(mut command: Command, keep: &[RawFd]) -> io::Result<Pid> {
    let (told, tell) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let (numbers, tell_to) = (keep.to_vec(), tell.as_raw_fd());
    // SAFETY: `leave_parent` and `prepare_child` keep to async-signal-safe calls, see the top of this file.
    unsafe { command.pre_exec(move || leave_parent(tell_to).and_then(|()| prepare_child(&numbers))) };
    // The process that is waited for here has ended as soon as the other was born.
    let mut between = command.spawn()?;
    let between_pid = between.id();
    match between.wait() {
        // The program ignores SIGCHLD, so the kernel has waited for it.
        Err(error) if error.raw_os_error() == Some(libc::ECHILD) => {}
        ended => drop(ended?),
    }
    forget_child_signal(between_pid.cast_signed());
    drop(tell);
    hear_number(&told)
}

/// The program, which may have a handler for SIGCHLD, is not told of a child that is not its own. (The signal is blocked here if so.)
fn forget_child_signal(pid: i32) {
    // SAFETY: system calls that read and write this function's own variables.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGCHLD);
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let now: libc::timespec = std::mem::zeroed();
        if libc::sigtimedwait(&set, &mut info, &now) == libc::SIGCHLD && info.si_pid() != pid {
            libc::syscall(libc::SYS_rt_sigqueueinfo, libc::getpid(), libc::SIGCHLD, &raw const info);
        }
    }
}

fn command(exe: Option<&Path>, inheritance: &Inheritance<'_>) -> Command {
    own_command(exe, WORKER_COMMAND, &inheritance.numbers())
}

fn own_command(exe: Option<&Path>, subcommand: &str, numbers: &[RawFd]) -> Command {
    let mut command = Command::new(exe.unwrap_or(Path::new(OWN_EXE)));
    command
        .arg0("eos-rdma")
        .arg(subcommand)
        .args(numbers.iter().map(|n| OsString::from(n.to_string())))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

/// In the child: it dies with its parent.
fn die_with(parent: Pid) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    if rustix::process::getppid() != Some(parent) {
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    Ok(())
}

/// In the child: goes on as a child of its own, whose number it tells, and ends itself.
fn leave_parent(tell_to: RawFd) -> io::Result<()> {
    // SAFETY: this process has one thread, which makes plain system calls until it executes the worker.
    unsafe {
        match libc::fork() {
            -1 => Err(io::Error::last_os_error()),
            0 => tell_number(tell_to),
            _ => libc::_exit(0),
        }
    }
}

/// In the child: tells its number.
fn tell_number(tell_to: RawFd) -> io::Result<()> {
    // SAFETY: plain system calls; the kernel reads this function's own bytes.
    unsafe {
        let number = libc::getpid().to_ne_bytes();
        match libc::write(tell_to, number.as_ptr().cast(), number.len()) {
            4 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// In the child: only the given descriptors stay open, and no signal is blocked, nor the end of a child ignored.
fn prepare_child(keep: &[RawFd]) -> io::Result<()> {
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
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
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
