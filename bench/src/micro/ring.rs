//! A message each way through shared memory: one cell for each direction, with the number of the message it holds.
//!
//! # Safety
//! Each cell's bytes belong to the sender until it stores a new number (release) and to the receiver from when it has
//! seen that number (acquire) until it answers. The two ends take turns, so they never touch a cell's bytes together.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::AsFd;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::thread::futex;

use super::mapping::Mapping;
use super::sample::Samples;
use super::wire::{JUMP_BYTES, Waiting};

/// A cell: the number of the message in it, and from the next cache line on its bytes.
const CELL_LEN: usize = 16 << 10;
const BYTES_OFFSET: usize = 64;
/// The number that ends a conversation.
const END: u32 = u32::MAX;
/// Looks at a number before the CPU is given away.
const SPINS_BEFORE_YIELD: u32 = 64;
/// An end that hears nothing for this long takes the other for dead.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// One end of the conversation.
#[derive(Debug)]
pub struct Ring {
    memory: Mapping,
    waiting: Waiting,
    mine: usize,
    theirs: usize,
}

impl Ring {
    /// A memory file for a ring; the peer inherits it.
    ///
    /// # Errors
    /// Those of the kernel.
    pub fn file() -> io::Result<rustix::fd::OwnedFd> {
        let file = memfd_create("eos-bench-ring", MemfdFlags::CLOEXEC)?;
        ftruncate(&file, 2 * CELL_LEN as u64)?;
        Ok(file)
    }

    /// The end that asks (`asks`), or the one that answers.
    ///
    /// # Errors
    /// Those of the kernel.
    pub fn new(file: impl AsFd, waiting: Waiting, asks: bool) -> io::Result<Self> {
        let (mine, theirs) = if asks { (0, CELL_LEN) } else { (CELL_LEN, 0) };
        Ok(Self { memory: Mapping::shared(file, 2 * CELL_LEN)?, waiting, mine, theirs })
    }

    /// Times `count` round trips of a jump's bytes each way, in microseconds.
    ///
    /// # Errors
    /// `TimedOut` if the peer falls silent.
    pub fn round_trips(&self, count: u32) -> io::Result<Samples> {
        let (message, mut answer) = (vec![0x5a; JUMP_BYTES], vec![0; JUMP_BYTES]);
        let mut us = Vec::with_capacity(count as usize);
        for number in 1..=count + count / 10 {
            let start = Instant::now();
            self.send(number, &message);
            self.receive(number, &mut answer)?;
            if number > count / 10 {
                us.push(start.elapsed().as_secs_f64() * 1e6);
            }
        }
        self.send(END, &[]);
        Ok(Samples::new(us))
    }

    /// Answers until the asking end is done.
    ///
    /// # Errors
    /// `TimedOut` if it falls silent.
    pub fn answer(&self) -> io::Result<()> {
        let (mut message, answer) = (vec![0; JUMP_BYTES], vec![0xa5; JUMP_BYTES]);
        for number in 1.. {
            if !self.receive(number, &mut message)? {
                break;
            }
            self.send(number, &answer);
        }
        Ok(())
    }

    fn number(&self, cell: usize) -> &AtomicU32 {
        // SAFETY: page-aligned memory that lives as long as we do; both ends use it as an atomic only.
        unsafe { &*self.memory.base().add(cell).cast() }
    }

    fn send(&self, number: u32, message: &[u8]) {
        assert!(message.len() <= CELL_LEN - BYTES_OFFSET);
        // SAFETY: in bounds; the cell's bytes are ours until the number is stored (module rule).
        unsafe {
            let into = self.memory.base().add(self.mine + BYTES_OFFSET);
            ptr::copy_nonoverlapping(message.as_ptr(), into, message.len());
        }
        self.number(self.mine).store(number, Ordering::Release);
        if self.waiting == Waiting::Blocking {
            let _ = futex::wake(self.number(self.mine), futex::Flags::empty(), 1);
        }
    }

    /// Waits for message `number`; false if the conversation ended instead.
    fn receive(&self, number: u32, into: &mut [u8]) -> io::Result<bool> {
        if self.wait_for(number)? == END {
            return Ok(false);
        }
        // SAFETY: in bounds (`into` is as long as a message); the bytes are ours now (module rule).
        unsafe {
            let from = self.memory.base().add(self.theirs + BYTES_OFFSET);
            ptr::copy_nonoverlapping(from, into.as_mut_ptr(), into.len().min(CELL_LEN - BYTES_OFFSET));
        }
        Ok(true)
    }

    fn wait_for(&self, number: u32) -> io::Result<u32> {
        let cell = self.number(self.theirs);
        let start = Instant::now();
        for spins in 1u32.. {
            let seen = cell.load(Ordering::Acquire);
            if seen == number || seen == END {
                return Ok(seen);
            }
            match self.waiting {
                Waiting::Blocking => sleep_while(cell, seen),
                Waiting::Polling if spins % SPINS_BEFORE_YIELD == 0 => rustix::thread::sched_yield(),
                Waiting::Polling => std::hint::spin_loop(),
            }
            if spins % 1024 == 0 && start.elapsed() > SILENCE_MAX {
                break;
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }
}

fn sleep_while(cell: &AtomicU32, seen: u32) {
    let limit = futex::Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
    let _ = futex::wait(cell, futex::Flags::empty(), seen, Some(&limit));
}
