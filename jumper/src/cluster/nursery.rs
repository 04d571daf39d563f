//! A process outside the program's family that starts local peers, for programs that are subreapers (prctl(2), `PR_SET_CHILD_SUBREAPER`).
//!
//! A local peer is a child of nobody, so that the program can wait for all of its own children. Whose parent ends is given to the nearest
//! subreaper, though: such a program would get the peers, its own and those of its children. So before the program becomes one, a process is
//! started that is nobody's child yet, and peers are its children from then on. It listens on a socket that all processes of
//! the run inherit, by fork and by execve, and ends with the last of them.
//!
//! # Safety
//!
//! The descriptor comes by number from the process that this one was, which opened it for this; it is checked to be open.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::OnceLock;

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType,
};

use super::spawn::{Inheritance, spawn_orphan, spawn_told};
use crate::low_fds::to_high;
use crate::own_fds::OwnFds;

/// Name of the hidden subcommand; its argument is the number of the socket.
pub const NURSERY_COMMAND: &str = "nursery";

/// A request: what a worker inherits, and where its number is told.
const REQUEST_FDS: usize = 5;

static DOOR: OnceLock<OwnedFd> = OnceLock::new();

/// Starts the process, unless this run has one. The descriptor of its door is among [`kept`] afterwards.
///
/// # Errors
/// There are too many processes or descriptors.
pub fn open() -> io::Result<()> {
    if DOOR.get().is_some() {
        return Ok(());
    }
    let (ours, theirs) =
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let (ours, theirs) = (to_high(ours)?, to_high(theirs)?);
    spawn_orphan(NURSERY_COMMAND, &[theirs.as_raw_fd()])?;
    let _ = DOOR.set(ours);
    Ok(())
}

/// The way to it, if this run has one.
pub fn door() -> Option<BorrowedFd<'static>> {
    DOOR.get().map(OwnedFd::as_fd)
}

/// The descriptor of the door, which the runtime keeps for good.
#[must_use]
pub fn kept() -> OwnFds {
    let mut kept = OwnFds::default();
    if let Some(door) = DOOR.get() {
        kept.add(door);
    }
    kept
}

/// In a process that was executed: takes over the door of the one before.
///
/// # Errors
/// It is no open descriptor.
pub fn adopt(fd: RawFd) -> io::Result<()> {
    let _ = DOOR.set(take(fd)?);
    Ok(())
}

/// Asks for a worker; it tells its number through `tell`.
///
/// # Errors
/// The process is gone.
pub(super) fn ask(door: BorrowedFd<'_>, inheritance: &Inheritance<'_>, tell: BorrowedFd<'_>) -> io::Result<()> {
    let Inheritance { parent, control, lease, setup } = *inheritance;
    let fds: [BorrowedFd<'_>; REQUEST_FDS] = [parent, control, lease, setup, tell];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(REQUEST_FDS))];
    let mut message = SendAncillaryBuffer::new(&mut space);
    message.push(SendAncillaryMessage::ScmRights(&fds));
    rustix::net::sendmsg(door, &[IoSlice::new(&[0])], &mut message, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// The process itself: starts workers until nobody can ask for one any more. The kernel buries them.
///
/// # Errors
/// The socket is none.
pub fn serve(fd: RawFd) -> io::Result<()> {
    let socket = take(fd)?;
    // SAFETY: ignores a signal; workers begin with its default action.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    while let Some(fds) = hear(&socket)? {
        let Ok([parent, control, lease, setup, tell]) = <[OwnedFd; REQUEST_FDS]>::try_from(fds) else { continue };
        let inheritance = Inheritance {
            parent: parent.as_fd(),
            control: control.as_fd(),
            lease: lease.as_fd(),
            setup: setup.as_fd(),
        };
        // Who asked sees the end of `tell`, and says what was tried.
        drop(spawn_told(&inheritance, tell.as_fd()));
    }
    Ok(())
}

/// The descriptors of the next request; none: all others have closed the socket.
fn hear(socket: &OwnedFd) -> io::Result<Option<Vec<OwnedFd>>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(REQUEST_FDS))];
    let mut message = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let into = &mut [IoSliceMut::new(&mut byte)];
    let received = rustix::net::recvmsg(socket, into, &mut message, RecvFlags::CMSG_CLOEXEC)?;
    if received.bytes == 0 {
        return Ok(None);
    }
    let mut fds = Vec::new();
    for part in message.drain() {
        if let RecvAncillaryMessage::ScmRights(arrived) = part {
            fds.extend(arrived);
        }
    }
    Ok(Some(fds))
}

fn take(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: changes a flag, or fails on a number that is not open.
    if fd <= 2 || unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: open, and opened for this process alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
