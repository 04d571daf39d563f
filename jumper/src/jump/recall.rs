//! Calling execution home for a signal that came while the program executes on a peer.
//!
//! Home cannot know on which peer: execution may have gone on from the one it went to. So the handler at home says a number on the
//! sign-of-life socket of every peer, without waiting; it is one higher than the last. A small thread of the worker hears it, notes
//! it and raises [`KICK`] for the threads that host the program. That signal is blocked in every trap of a worker, but for futex waits, so
//! it interrupts the program only, at the latest right after the trap in which execution arrives; then execution goes home.
//!
//! A jump from home says which numbers are answered already, so that an old call is not taken for a new one.
//!
//! Invariant: while execution is away and home has a signal for the program, every worker has noted, or will note, a number above the
//! one that the program carries.

use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use eos_verbs::MAX_NODES;

use crate::cluster::signal_set::{SignalsBlocked, block_for_good};

/// Interrupts the program on a worker.
pub const KICK: libc::c_int = libc::SIGUSR2;

const STACK_BYTES: usize = 128 << 10;
const NO_DOOR: RawFd = -1;

/// Home's side. Used by handlers: nothing here locks or allocates.
pub struct Recall {
    /// The last number said.
    said: AtomicU64,
    /// Signals that have come, also while execution was at home.
    signals: AtomicU64,
    away: AtomicBool,
    doors: [AtomicI32; MAX_NODES],
}

impl Recall {
    /// Nobody to call yet.
    #[allow(clippy::new_without_default)] // there is one for each house
    pub const fn new() -> Self {
        Self {
            said: AtomicU64::new(0),
            signals: AtomicU64::new(0),
            away: AtomicBool::new(false),
            doors: [const { AtomicI32::new(NO_DOOR) }; MAX_NODES],
        }
    }

    /// The sockets to say it on, which stay open as long as the process; none after a fork.
    pub fn set_doors(&self, doors: &[OwnedFd]) {
        let numbers = doors.iter().map(AsRawFd::as_raw_fd).chain(std::iter::repeat(NO_DOOR));
        for (door, number) in self.doors.iter().zip(numbers) {
            door.store(number, Ordering::Release);
        }
    }

    /// The last number that was said: a jump from home answers it and all before.
    pub fn said(&self) -> u64 {
        self.said.load(Ordering::Acquire)
    }

    /// Whether signals are to call execution home.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// How many signals have come.
    pub fn signals(&self) -> u64 {
        self.signals.load(Ordering::SeqCst)
    }

    /// A signal has come. From a handler at home.
    pub fn signal(&self) {
        self.signals.fetch_add(1, Ordering::SeqCst);
        self.call();
    }

    /// Execution is wanted at home.
    pub fn call(&self) {
        if !self.away.load(Ordering::SeqCst) {
            return;
        }
        let number = (self.said.fetch_add(1, Ordering::AcqRel) + 1).to_le_bytes();
        for door in &self.doors {
            let fd = door.load(Ordering::Acquire);
            if fd != NO_DOOR {
                let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
                // SAFETY: send(2) reads this function's own bytes. A socket whose buffer is full holds calls enough.
                unsafe { libc::send(fd, number.as_ptr().cast(), number.len(), flags) };
            }
        }
    }
}

/// A worker's side: the last number heard.
static HEARD: AtomicU64 = AtomicU64::new(0);

/// The last number that this worker has heard.
pub fn heard() -> u64 {
    HEARD.load(Ordering::Acquire)
}

/// The threads of this worker that host the program.
static HOSTS: Mutex<Vec<i32>> = Mutex::new(Vec::new());

/// A thread of this worker hosts the program from now on, whenever it is here.
pub fn listen_for(host: u32) {
    HOSTS.lock().unwrap_or_else(PoisonError::into_inner).push(host.cast_signed());
}

/// Starts to listen for home's calls. Until the traps are in place, [`KICK`] is
/// ignored.
///
/// # Errors
/// The kernel refused a thread.
pub fn listen(sign_of_life: UnixStream) -> std::io::Result<()> {
    crate::executor::signals::set_kernel_action(KICK, libc::SIG_IGN, 0);
    let _blocked = SignalsBlocked::all()?;
    let body = move || hear(sign_of_life);
    std::thread::Builder::new().name("eos-recall".to_owned()).stack_size(STACK_BYTES).spawn(body)?;
    Ok(())
}

/// Ends with the socket, when the worker does.
fn hear(mut sign_of_life: UnixStream) {
    block_for_good();
    let mut number = [0; 8];
    while sign_of_life.read_exact(&mut number).is_ok() {
        HEARD.fetch_max(u64::from_le_bytes(number), Ordering::AcqRel);
        kick();
    }
}

/// Interrupts the program, if it is here, so that it looks whether it is to go.
pub fn kick() {
    for host in HOSTS.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        // SAFETY: a system call without pointers; the threads live as long as the process.
        unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), *host, KICK) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_while_execution_is_away_every_door_hears_ascending_numbers() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (ours_too, theirs_too) = UnixStream::pair().unwrap();
        let recall = Recall::new();
        let doors: [OwnedFd; 2] = [ours.into(), ours_too.into()];
        recall.set_doors(&doors);
        recall.call();
        recall.set_away(true);
        recall.call();
        recall.call();
        recall.set_doors(&[]);
        recall.call();
        drop(doors);
        for mut door in [theirs, theirs_too] {
            let mut bytes = Vec::new();
            door.read_to_end(&mut bytes).unwrap();
            assert_eq!(bytes, [1_u64.to_le_bytes(), 2_u64.to_le_bytes()].concat());
        }
        assert_eq!(recall.said(), 3);
    }
}
