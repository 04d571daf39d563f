//! The memory a daemon offers, shared by its worker processes without asking the daemon.
//!
//! The pool is cut into slabs of at most [`SLAB_BYTES_MAX`]. One byte for each slab, in memory that
//! daemon and workers share, says which worker has it: taking a slab is one compare-and-swap of its
//! byte from free to mine. So the sum of all leases cannot exceed the pool, a worker that dies
//! between two instructions leaks nothing, and the daemon takes everything back by its number.
//!
//! The daemon may lend less than the whole pool: slabs that it withholds have a byte of their own. When fewer slabs are free than it wants to
//! withhold, it asks workers for the rest ([`LeasePool::balance`]): two more bytes a worker say how many slabs it owes, and what it has
//! heard about them from the node that executes. A slab that a worker gives back while it owes any is withheld at once, so nobody else takes it.

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
/// No worker has such a number.
const WITHHELD: u8 = u8::MAX;

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
    slabs: usize,
    /// Slabs that may be lent now.
    quota: usize,
    used_slots: [bool; MAX_WORKERS],
}

/// What the daemon wants back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shortage {
    /// Bytes that workers hold and owe.
    pub owed: u64,
    /// Of these, bytes of runs that say that nobody has room, and of those whose memory a device holds.
    pub stuck: u64,
}

impl LeasePool {
    /// A pool of `total` bytes, rounded down by less than 2 MiB a slab. Nothing is allocated but
    /// one byte a slab; memory comes into being when a worker writes to it.
    pub fn new(total: u64) -> std::io::Result<LeasePool> {
        let slab_bytes = slab_bytes(total);
        let slabs = usize::try_from(total / slab_bytes).map_err(std::io::Error::other)?;
        let shared = SharedBytes::create(slabs + 2 * MAX_WORKERS)?;
        Ok(LeasePool { owners: shared, slab_bytes, slabs, quota: slabs, used_slots: [false; MAX_WORKERS] })
    }

    /// Bytes that can be leased in all.
    pub fn total(&self) -> u64 {
        self.slabs as u64 * self.slab_bytes
    }

    /// Bytes that may be lent now, lent ones included; whole slabs.
    pub fn quota(&self) -> u64 {
        self.quota as u64 * self.slab_bytes
    }

    /// Bytes that no worker holds now, and that may be lent.
    pub fn free(&self) -> u64 {
        count(self.slabs(), FREE) as u64 * self.slab_bytes
    }

    /// Bytes that the worker with this number holds now.
    pub fn held(&self, slot: u8) -> u64 {
        count(self.slabs(), mark(slot)) as u64 * self.slab_bytes
    }

    /// Bytes that all workers hold.
    pub fn lent(&self) -> u64 {
        (self.slabs - count(self.slabs(), FREE) - count(self.slabs(), WITHHELD)) as u64 * self.slab_bytes
    }

    /// From now on at most `bytes` are lent, rounded down to slabs. What is lent beyond that is asked back.
    pub fn set_quota(&mut self, bytes: u64) {
        self.quota = usize::try_from(bytes / self.slab_bytes).unwrap_or(usize::MAX).min(self.slabs);
        self.balance();
    }

    /// Withholds what is free and is not to be lent, and says which workers owe how much of the rest: those that hold most, and
    /// before them those that have not said that they cannot give. Call it now and then.
    pub fn balance(&mut self) -> Shortage {
        let wanted = self.slabs - self.quota;
        let withheld = count(self.slabs(), WITHHELD);
        let missing = match wanted.checked_sub(withheld) {
            Some(missing) => missing - turn(self.slabs(), FREE, WITHHELD, missing),
            None => {
                turn(self.slabs(), WITHHELD, FREE, withheld - wanted);
                0
            }
        };
        let mut held: Vec<(usize, bool, usize)> =
            self.used_workers().map(|(slot, held)| (slot, self.is_stuck(slot), held)).collect();
        let mut owed = [0_u8; MAX_WORKERS];
        let mut shortage = Shortage::default();
        for _ in 0..missing {
            let able = |worker: &&mut (usize, bool, usize)| worker.2 > 0 && owed[worker.0] < u8::MAX;
            let Some((slot, stuck, left)) = held.iter_mut().filter(able).max_by_key(|worker| (!worker.1, worker.2))
            else {
                break;
            };
            owed[*slot] += 1;
            *left -= 1;
            shortage.owed += self.slab_bytes;
            shortage.stuck += if *stuck { self.slab_bytes } else { 0 };
        }
        for (place, owed) in self.owners.bytes()[self.slabs..].iter().zip(owed) {
            place.store(owed, Ordering::Release);
        }
        shortage
    }

    /// Bytes that a worker owes, and what it has heard about them ([`Lease::hears`]).
    pub fn owes(&self, slot: u8) -> (u64, u8) {
        let [owed, heard] = self.words_with(usize::from(slot));
        (u64::from(owed) * self.slab_bytes, heard)
    }

    /// Bytes that workers owe that have heard this.
    pub fn owed_because(&self, heard: u8) -> u64 {
        let workers = self.used_workers().map(|(slot, _)| self.owes(slot as u8));
        workers.filter(|(_, because)| *because == heard).map(|(owed, _)| owed).sum()
    }

    fn is_stuck(&self, slot: usize) -> bool {
        self.words_with(slot)[1] >= STUCK_FROM
    }

    fn words_with(&self, slot: usize) -> [u8; 2] {
        words_with(self.owners.bytes(), self.slabs, slot).map(|word| word.load(Ordering::Acquire))
    }

    /// Numbers of workers, and how many slabs each holds.
    fn used_workers(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let used = self.used_slots.iter().enumerate().filter(|(_, used)| **used);
        used.map(|(slot, _)| (slot, count(self.slabs(), mark(slot as u8))))
    }

    fn slabs(&self) -> &[AtomicU8] {
        &self.owners.bytes()[..self.slabs]
    }

    /// Gives a new worker a number; it may take up to `limit` bytes (`None`: all there is).
    /// `None` if there are [`MAX_WORKERS`] workers already.
    pub fn enter(&mut self, limit: Option<u64>) -> Option<LeaseTerms> {
        let slot = self.used_slots.iter().position(|used| !used)?;
        self.used_slots[slot] = true;
        Some(LeaseTerms {
            slot: slot as u8,
            slabs: self.slabs as u32,
            slab_bytes: self.slab_bytes,
            limit_bytes: self.total().min(limit.unwrap_or(u64::MAX)),
        })
    }

    /// Takes back all that a worker held, once its process is gone. Returns the bytes.
    pub fn leave(&mut self, slot: u8) -> u64 {
        let mut freed = 0;
        for owner in self.slabs() {
            let exchange = owner.compare_exchange(mark(slot), FREE, Ordering::AcqRel, Ordering::Relaxed);
            freed += u64::from(exchange.is_ok());
        }
        for word in words_with(self.owners.bytes(), self.slabs, usize::from(slot)) {
            word.store(0, Ordering::Release);
        }
        self.used_slots[usize::from(slot)] = false;
        self.balance();
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
        let bytes = terms.slabs as usize + 2 * MAX_WORKERS;
        Ok(Lease { owners: SharedBytes::map(file, bytes)?, held: AtomicU32::new(0), terms })
    }

    /// Takes up to `slabs` slabs more and returns how many it got: fewer when the pool is empty or
    /// the worker's own limit is reached, and none while it owes some.
    pub fn take(&self, slabs: u32) -> u32 {
        let limit = self.limit_slabs();
        let mut granted = 0;
        for owner in self.slabs() {
            if granted == slabs || self.owed() > 0 || !self.count_up(limit) {
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
        for owner in self.slabs() {
            if returned == slabs {
                break;
            }
            if owner.load(Ordering::Acquire) != mark(self.terms.slot) {
                continue;
            }
            let [owed, _] = self.words();
            let owes = owed.fetch_update(Ordering::AcqRel, Ordering::Acquire, |owed| owed.checked_sub(1)).is_ok();
            owner.store(if owes { WITHHELD } else { FREE }, Ordering::Release);
            self.held.fetch_sub(1, Ordering::AcqRel);
            returned += 1;
        }
        returned
    }

    /// Slabs that the daemon wants back.
    pub fn owed(&self) -> u32 {
        self.words()[0].load(Ordering::Acquire).into()
    }

    /// Leaves word for the daemon how that goes: a number that means something to the runs; from [`STUCK_FROM`] on, that they cannot go.
    pub fn hears(&self, progress: u8) {
        self.words()[1].store(progress, Ordering::Release);
    }

    fn words(&self) -> [&AtomicU8; 2] {
        words_with(self.owners.bytes(), self.terms.slabs as usize, usize::from(self.terms.slot))
    }

    fn slabs(&self) -> &[AtomicU8] {
        &self.owners.bytes()[..self.terms.slabs as usize]
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

/// What a worker says of slabs that cannot go, for the present or ever.
pub const STUCK_FROM: u8 = 2;

/// What a worker owes, and what it has heard.
fn words_with(bytes: &[AtomicU8], slabs: usize, slot: usize) -> [&AtomicU8; 2] {
    [&bytes[slabs + slot], &bytes[slabs + MAX_WORKERS + slot]]
}

/// Turns up to `most` slabs from one byte to another; returns how many.
fn turn(owners: &[AtomicU8], from: u8, to: u8, most: usize) -> usize {
    let turned = |owner: &&AtomicU8| owner.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok();
    owners.iter().filter(turned).take(most).count()
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
