//! Keeps the low descriptor numbers free for the program.
//!
//! A program that opens its first file natively gets number 3, and some count on it. So while the
//! runtime opens its own descriptors all low numbers are taken, and they are let go right before
//! the program's first instruction. The runtime's descriptors then lie above [`FLOOR`].
//!
//! # Safety
//!
//! Descriptors are closed by number after their owners have given them up.

use crate::own_fds::{OwnFds, open_descriptors};
use rustix::fs::{Mode, OFlags};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd, RawFd};

/// First number for the runtime, unless the limit of open files is small and cannot be raised.
pub const FLOOR: u64 = 512;

/// As many descriptors as the runtime may need beside the program's, while it opens its own.
const ENOUGH: u64 = 2048;

/// The limit of open files, raised for the runtime as far as it may be. Dropping this puts the program's own back; what was opened
/// meanwhile stays open.
#[derive(Debug)]
pub struct RaisedLimit(Option<Rlimit>);

impl RaisedLimit {
    /// Raises it, if it is low.
    pub fn raise() -> RaisedLimit {
        let before = getrlimit(Resource::Nofile);
        let wanted = before.maximum.map_or(ENOUGH, |most| most.min(ENOUGH));
        let low = before.current.is_some_and(|current| current < wanted);
        let raised = Rlimit { current: Some(wanted), ..before };
        RaisedLimit((low && setrlimit(Resource::Nofile, raised).is_ok()).then_some(before))
    }
}

impl Drop for RaisedLimit {
    fn drop(&mut self) {
        if let Some(before) = self.0.take() {
            // Lowering is always allowed.
            let _ = setrlimit(Resource::Nofile, before);
        }
    }
}

/// All free numbers below the floor. Dropping this lets them go.
#[derive(Debug)]
pub struct LowFds {
    taken: Vec<OwnedFd>,
    inherited: Vec<RawFd>,
    _limit: RaisedLimit,
}

impl LowFds {
    /// Takes them; a fifth of the time that `dup` needs for each. Call it before the runtime opens anything that stays open.
    pub fn reserve() -> io::Result<LowFds> {
        let raised = RaisedLimit::raise();
        let inherited = open_descriptors()?;
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let floor = FLOOR.min(limit / 2);
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let mut taken = vec![rustix::fs::open(c"/", flags, Mode::empty())?];
        // Not all kernels and limits allow that; one by one always works.
        let _ = multiply(&mut taken, floor);
        while last(&taken) + 1 < floor {
            taken.push(rustix::io::fcntl_dupfd_cloexec(&taken[0], 0)?);
        }
        Ok(LowFds { taken, inherited, _limit: raised })
    }

    /// Lets the low numbers go, and tells which descriptors were opened meanwhile and are the runtime's.
    pub fn release(mut self) -> io::Result<OwnFds> {
        close_all(std::mem::take(&mut self.taken));
        OwnFds::all_but(&self.inherited)
    }
}

/// Most descriptors in one message, `SCM_MAX_FD` of Linux.
const MESSAGE_FDS_MAX: usize = 253;

/// Adds copies of the first descriptor up to number `floor`: sent to ourselves over a socket, hundreds with two system calls. The kernel
/// gives those that arrive the lowest free numbers in turn.
fn multiply(taken: &mut Vec<OwnedFd>, floor: u64) -> io::Result<()> {
    let (sender, receiver) =
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    let (sender, receiver) = (to_high(sender)?, to_high(receiver)?);
    loop {
        let missing = usize::try_from((floor - 1).saturating_sub(last(taken))).unwrap_or(0).min(MESSAGE_FDS_MAX);
        if missing == 0 {
            return Ok(());
        }
        let copies = vec![taken[0].as_fd(); missing];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MESSAGE_FDS_MAX))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&copies));
        rustix::net::sendmsg(&sender, &[IoSlice::new(&[0])], &mut control, SendFlags::NOSIGNAL)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MESSAGE_FDS_MAX))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        let into = &mut [IoSliceMut::new(&mut byte)];
        rustix::net::recvmsg(&receiver, into, &mut control, RecvFlags::CMSG_CLOEXEC)?;
        let before = taken.len();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(arrived) = message {
                taken.extend(arrived);
            }
        }
        if taken.len() < before + missing {
            return Err(io::ErrorKind::Other.into());
        }
    }
}

/// Closes descriptors in ascending order, neighbours with one system call.
fn close_all(descriptors: Vec<OwnedFd>) {
    let numbers = descriptors.into_iter().map(|fd| fd.into_raw_fd().cast_unsigned());
    let mut numbers = numbers.peekable();
    while let Some(first) = numbers.next() {
        let mut last = first;
        while let Some(next) = numbers.next_if_eq(&(last + 1)) {
            last = next;
        }
        // SAFETY: they were owned until now, and nobody else knows them.
        unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    }
}

/// Moves a descriptor that the runtime opens while the program runs out of the program's way.
pub fn to_high(fd: OwnedFd) -> io::Result<OwnedFd> {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let floor = FLOOR.min(limit / 2) as RawFd;
    Ok(rustix::io::fcntl_dupfd_cloexec(&fd, floor)?)
}

/// Number of the descriptor that was opened last; the kernel gives the lowest free one each time.
fn last(taken: &[OwnedFd]) -> u64 {
    let number = taken.last().map_or(-1, AsRawFd::as_raw_fd);
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Opens /dev/null for those of the numbers 0 to 2 that are closed, so that nothing of ours gets
/// them and is written to by mistake. For processes of our own only, never for one that hosts a
/// program.
pub fn fill_standard() -> io::Result<()> {
    loop {
        let null = rustix::fs::open(c"/dev/null", OFlags::RDWR, Mode::empty())?;
        if null.as_raw_fd() > 2 {
            return Ok(());
        }
        std::mem::forget(null);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a process of its own, since limits are the whole process's.
    #[test]
    fn a_low_limit_is_raised_for_a_while_only() {
        // SAFETY: the child makes system calls and leaves; it allocates nothing that another thread may hold locked.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let of_program = Rlimit { current: Some(20), ..getrlimit(Resource::Nofile) };
            let lowered = setrlimit(Resource::Nofile, of_program).is_ok();
            let raised = RaisedLimit::raise();
            let high = getrlimit(Resource::Nofile).current.is_none_or(|current| current > 20);
            drop(raised);
            let good = lowered && high && getrlimit(Resource::Nofile) == of_program;
            // SAFETY: ends the child.
            unsafe { libc::_exit(i32::from(!good)) };
        }
        let mut status = -1;
        // SAFETY: the kernel writes the status of our own child.
        let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!((waited, status), (child, 0));
    }
}
