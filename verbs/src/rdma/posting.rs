//! Posting one-sided work requests: room for them in the queue, the ring and the bounce buffer.

use super::log::Entry;
use super::queue_pair::RdmaQueuePair;
use super::rc::Verb;
use super::waiter::For;
use crate::error::VerbsError;
use crate::queue_pair::TRANSFER_MAX;

/// READs of a list from one completion to the next.
const READS_A_COMPLETION: usize = 8;

impl RdmaQueuePair {
    /// Checks that these bytes are in the peer's region and no more than a transfer; then their keys are known.
    pub(super) fn admit(&mut self, what: &'static str, offset: u64, len: usize) -> Result<(), VerbsError> {
        let peer = || self.peer.clone();
        if len > TRANSFER_MAX {
            return Err(VerbsError::TooLong { peer: peer(), what, len, limit: TRANSFER_MAX });
        }
        match offset.checked_add(len as u64) {
            Some(end) if end <= self.peer_region_len => {
                self.active.alive()?;
                self.active.learn_keys(offset, len)
            }
            _ => Err(VerbsError::OutOfRange { peer: peer(), offset, len, region_len: self.peer_region_len }),
        }
    }

    /// Waits until one more work request may be posted.
    pub(super) fn make_room(&mut self) -> Result<(), VerbsError> {
        if self.active.log.has_room() {
            return Ok(());
        }
        self.waiter.until(&mut self.active, For::Completions, |active| active.log.has_room())
    }

    /// Waits until `len` bytes of the ring are free, and takes them.
    pub(super) fn take_ring(&mut self, len: usize) -> Result<usize, VerbsError> {
        let mut place = self.active.log.take_ring(len);
        if place.is_none() {
            self.waiter.until(&mut self.active, For::Completions, |active| {
                place = active.log.take_ring(len);
                place.is_some()
            })?;
        }
        Ok(place.expect("waited for it"))
    }

    pub(super) fn wait_for(&mut self, index: u64) -> Result<(), VerbsError> {
        self.waiter.until(&mut self.active, For::Completions, |active| active.log.is_done(index))
    }

    /// Posts as many of `reads` as the queue and the bounce buffer take; returns the index of the first, and how many.
    pub(super) fn post_reads(&mut self, reads: &[(u64, usize)]) -> Result<(u64, usize), VerbsError> {
        let (mut first, mut count, mut at) = (None, 0, 0);
        for (number, &(offset, len)) in reads.iter().enumerate() {
            if number > 0 && (!self.active.log.has_room() || at + len > TRANSFER_MAX) {
                break;
            }
            self.make_room()?;
            let next_fits = reads.get(number + 1).is_some_and(|next| at + len + next.1 <= TRANSFER_MAX);
            let signaled = (number + 1) % READS_A_COMPLETION == 0 || !next_fits;
            let index = self.active.read(offset, at, len, signaled)?;
            first.get_or_insert(index);
            (count, at) = (number + 1, at + len);
        }
        Ok((first.unwrap_or(0), count))
    }

    /// Posts a WRITE of no bytes, which tells when the ones before it are done.
    pub(super) fn post_mark(&mut self) -> Result<(), VerbsError> {
        self.make_room()?;
        let mark = Entry::new(Verb::Write, 0, 0, 0).signaled(true);
        self.active.post(mark).map(|_| ())
    }
}
