//! The memory a daemon offers, shared by its worker processes without asking the daemon.
//!
//! The pool is cut into slabs of at most [`SLAB_BYTES_MAX`]. One byte for each slab, in memory that
//! daemon and workers share, says which worker has it: taking a slab is one compare-and-swap of its
//! byte from free to mine. So the sum of all leases cannot exceed the pool, a worker that dies
//! between two instructions leaks nothing, and the daemon takes everything back by its number.

use crate::cluster::shared_bytes::SharedBytes;
use serde::{Deserialize, Serialize};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

/// Bytes of a slab, at most: small pools have smaller slabs, so that little is lost to rounding.
pub const SLAB_BYTES_MAX: u64 = 64 << 20;

/// Workers of one pool at the same time, at most.
pub const MAX_WORKERS: usize = 64;

const PAGE_BYTES: u64 = 4096;
const ALIGN_BYTES: u64 = 2 << 20;
const FREE: u8 = 0;

/// What a worker has to know to use its part of the pool; travels with the pool's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseTerms {
    /// The worker's number in the pool.
    pub slot: u8,
    /// Slabs in the pool.
    pub slabs: u32,
    /// Bytes of each slab.
    pub slab_bytes: u64,
    /// Bytes this worker may hold at most.
    pub limit_bytes: u64,
}

/// The daemon's side.
#[derive(Debug)]
pub struct LeasePool {
    owners: SharedBytes,
    slab_bytes: u64,
    used_slots: [bool; MAX_WORKERS],
}

impl LeasePool {
    /// A pool of `total` bytes, rounded down by less than 2 MiB a slab. Nothing is allocated but
    /// one byte a slab; memory comes into being when a worker writes to it.
    pub fn new(total: u64) -> std::io::Result<LeasePool> {
        let slab_bytes = slab_bytes(total);
        let slabs = usize::try_from(total / slab_bytes).map_err(std::io::Error::other)?;
        Ok(LeasePool { owners: SharedBytes::create(slabs)?, slab_bytes, used_slots: [false; MAX_WORKERS] })
    }

    /// Bytes that can be leased in all.
    pub fn total(&self) -> u64 {
        self.owners.bytes().len() as u64 * self.slab_bytes
    }

    /// Bytes that no worker holds now.
    pub fn free(&self) -> u64 {
        count(self.owners.bytes(), FREE) as u64 * self.slab_bytes
    }

    /// Bytes that the worker with this number holds now.
    pub fn held(&self, slot: u8) -> u64 {
        count(self.owners.bytes(), mark(slot)) as u64 * self.slab_bytes
    }

    /// Gives a new worker a number; it may take up to `limit` bytes (`None`: all there is).
    /// `None` if there are [`MAX_WORKERS`] workers already.
    pub fn enter(&mut self, limit: Option<u64>) -> Option<LeaseTerms> {
        let slot = self.used_slots.iter().position(|used| !used)?;
        self.used_slots[slot] = true;
        Some(LeaseTerms {
            slot: slot as u8,
            slabs: self.owners.bytes().len() as u32,
            slab_bytes: self.slab_bytes,
            limit_bytes: self.total().min(limit.unwrap_or(u64::MAX)),
        })
    }

    /// Takes back all that a worker held, once its process is gone. Returns the bytes.
    pub fn leave(&mut self, slot: u8) -> u64 {
        let mut freed = 0;
        for owner in self.owners.bytes() {
            let exchange = owner.compare_exchange(mark(slot), FREE, Ordering::AcqRel, Ordering::Relaxed);
            freed += u64::from(exchange.is_ok());
        }
        self.used_slots[usize::from(slot)] = false;
        freed * self.slab_bytes
    }

    /// The shared file, for handing to a worker.
    pub fn file(&self) -> BorrowedFd<'_> {
        self.owners.file()
    }
}

/// A worker's side. Usable from any thread and from a trap handler: nothing here allocates or locks.
#[derive(Debug)]
pub struct Lease {
    owners: SharedBytes,
    terms: LeaseTerms,
    held: AtomicU32,
}

impl Lease {
    /// Joins the pool behind `file`, which came with `terms`.
    pub fn join(file: OwnedFd, terms: LeaseTerms) -> std::io::Result<Lease> {
        Ok(Lease { owners: SharedBytes::map(file, terms.slabs as usize)?, held: AtomicU32::new(0), terms })
    }

    /// Takes up to `slabs` slabs more and returns how many it got: fewer when the pool is empty or
    /// the worker's own limit is reached.
    pub fn take(&self, slabs: u32) -> u32 {
        let limit = self.limit_slabs();
        let mut granted = 0;
        for owner in self.owners.bytes() {
            if granted == slabs || !self.count_up(limit) {
                break;
            }
            let mine = mark(self.terms.slot);
            match owner.compare_exchange(FREE, mine, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => granted += 1,
                Err(_) => drop(self.held.fetch_sub(1, Ordering::AcqRel)),
            }
        }
        granted
    }

    /// Gives up to `slabs` slabs back and returns how many it had to give.
    pub fn give_back(&self, slabs: u32) -> u32 {
        let mut returned = 0;
        for owner in self.owners.bytes() {
            if returned == slabs {
                break;
            }
            let mine = mark(self.terms.slot);
            let exchange = owner.compare_exchange(mine, FREE, Ordering::AcqRel, Ordering::Relaxed);
            if exchange.is_ok() {
                self.held.fetch_sub(1, Ordering::AcqRel);
                returned += 1;
            }
        }
        returned
    }

    /// Slabs this worker holds.
    pub fn held(&self) -> u32 {
        self.held.load(Ordering::Acquire)
    }

    /// Bytes of one slab, a multiple of the page size.
    pub fn slab_bytes(&self) -> u64 {
        self.terms.slab_bytes
    }

    /// Bytes this worker may use at most, however much the pool has.
    pub fn limit_bytes(&self) -> u64 {
        self.terms.limit_bytes
    }

    /// Slabs that cover the limit: the last one may be used in part only.
    fn limit_slabs(&self) -> u32 {
        let slabs = self.terms.limit_bytes.div_ceil(self.terms.slab_bytes);
        u32::try_from(slabs).unwrap_or(u32::MAX)
    }

    fn count_up(&self, limit: u32) -> bool {
        let more = |held| (held < limit).then_some(held + 1);
        self.held.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok()
    }
}

/// The byte that says "taken by this worker".
fn mark(slot: u8) -> u8 {
    slot + 1
}

fn count(owners: &[AtomicU8], value: u8) -> usize {
    let is_value = |owner: &&AtomicU8| owner.load(Ordering::Acquire) == value;
    owners.iter().filter(is_value).count()
}

/// The largest slab that cuts `total` into equal parts of at most [`SLAB_BYTES_MAX`].
fn slab_bytes(total: u64) -> u64 {
    let total = total.max(PAGE_BYTES);
    let even = total / total.div_ceil(SLAB_BYTES_MAX);
    let align = if even >= ALIGN_BYTES { ALIGN_BYTES } else { PAGE_BYTES };
    even / align * align
}

#[cfg(test)]
#[path = "lease_tests.rs"]
mod tests;
