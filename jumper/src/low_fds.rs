//! Keeps the low descriptor numbers free for the program.
//!
//! A program that opens its first file natively gets number 3, and some count on it. So while the
//! runtime opens its own descriptors all low numbers are taken, and they are let go right before
//! the program's first instruction. The runtime's descriptors then lie above [`FLOOR`].

use crate::own_fds::{OwnFds, open_descriptors};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Resource, getrlimit};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// First number for the runtime, unless the limit of open files is small.
pub const FLOOR: u64 = 512;

/// All free numbers below the floor. Dropping this lets them go.
#[derive(Debug)]
pub struct LowFds {
    taken: Vec<OwnedFd>,
    inherited: Vec<RawFd>,
}

impl LowFds {
    /// Takes them; about 0.2 ms. Call it before the runtime opens anything that stays open.
    pub fn reserve() -> io::Result<LowFds> {
        let inherited = open_descriptors()?;
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let floor = FLOOR.min(limit / 2);
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let mut taken = vec![rustix::fs::open(c"/", flags, Mode::empty())?];
        while last(&taken) + 1 < floor {
            taken.push(rustix::io::fcntl_dupfd_cloexec(&taken[0], 0)?);
        }
        Ok(LowFds { taken, inherited })
    }

    /// Lets the low numbers go, and tells which descriptors were opened meanwhile and are the runtime's.
    pub fn release(mut self) -> io::Result<OwnFds> {
        self.taken.clear();
        OwnFds::all_but(&self.inherited)
    }
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
