//! The changes of an entry: which are legal, and push and pull spelled as such changes.
//!
//! ```text
//!   Absent -> Resident -> Pushing -> Remote -> Pulling -> Resident
//!   Resident (other owner) -> Pulling -> Resident (me)        Absent -> Pulling -> Replica
//! ```
//!
//! Every change is one compare-and-swap. Pushing and Pulling are locks: who made the entry so, and only he, ends it.
//! Everybody else waits with [`wait_settled`]. All functions take the bare atomic, so that a model can check them
//! without a table (tests/loom).
//!
//! What the order of steps must be (the pager's push and fault paths keep it, but for the write protection of a push,
//! which they leave out while the program has one thread):
//! - push: `begin_push`, write-protect, copy to the slot's node, drop the mapping, `finish_push`.
//! - drop of a clean page: `begin_drop`, drop the mapping, `finish_push`.
//! - pull: `begin_pull`, read the bytes, map them (write-protected if it stays clean), `finish_pull`.
//! - swap, a pull into a full node: `begin_pull`, read the bytes, `hold_bytes`, push a victim to the place that is free
//!   now, map the bytes, `finish_pull`.
//! - a write to a clean page: `begin_upgrade`, take the write protection away, `finish_pull`, free the slot.
//! - given up: undo what was done to the mapping, then `abort_push` or `abort_pull`.
//! - a write that meets the protection of a Pushing page: `wait_settled`, then look again.

use eos_verbs::NodeId;

use crate::entry::{Entry, SlotRef, State};
use crate::sync::{AtomicU64, Ordering, pause};

/// Reads the entry. What the thread that made it so wrote before is visible afterwards.
#[inline]
pub fn load(cell: &AtomicU64) -> Entry {
    Entry::from_raw(cell.load(Ordering::Acquire))
}

/// Puts `new` in place of `old` if the entry still is `old`.
///
/// # Errors
/// What the entry is instead.
#[inline]
pub fn compare_exchange(cell: &AtomicU64, old: Entry, new: Entry) -> Result<(), Entry> {
    debug_assert!(is_legal(old, new), "illegal change of an entry: {old:?} -> {new:?}");
    let swapped = cell.compare_exchange(old.raw(), new.raw(), Ordering::AcqRel, Ordering::Acquire);
    swapped.map(|_| ()).map_err(Entry::from_raw)
}

/// Changes the entry as `change` says; it may be called several times, and says `None` to leave the entry alone.
/// Returns the old and the new entry.
///
/// # Errors
/// The entry for which `change` said `None`.
#[inline]
pub fn update(cell: &AtomicU64, mut change: impl FnMut(Entry) -> Option<Entry>) -> Result<(Entry, Entry), Entry> {
    let mut old = load(cell);
    loop {
        let Some(new) = change(old) else {
            return Err(old);
        };
        match compare_exchange(cell, old, new) {
            Ok(()) => return Ok((old, new)),
            Err(now) => old = now,
        }
    }
}

/// Whether the state machine allows `old` to become `new` in one step on the node that holds the table.
/// Flags and the stale mask may change in any step; the place may not change but through Pushing and Pulling.
#[must_use]
pub fn is_legal(old: Entry, new: Entry) -> bool {
    use State::{Absent, Pulling, Pushing, Remote, Replica, Resident};
    let same_slot = old.slot() == new.slot();
    let slot_kept_or_given_up = same_slot || new.slot().is_none();
    match (old.state(), new.state()) {
        (Absent, Resident | Pulling) => new.slot().is_none(),
        (Absent, Absent | Replica) | (Replica, Absent | Replica) => true,
        (Replica, Resident) => new.slot().is_none(),
        // A dirty page takes a slot to go to; a clean one goes to the slot it has.
        (Resident, Pushing) => old.slot().is_none() || same_slot,
        (Resident, Resident) => slot_kept_or_given_up && old.owner() == new.owner(),
        (Resident, Pulling) | (Remote, Remote | Pulling) => same_slot,
        (Pulling, Remote) | (Pushing, Pushing | Remote) => same_slot,
        // The bytes are in the hands of the thread that pulls: the slot may be another page's.
        (Pulling, Pulling) => slot_kept_or_given_up,
        // Pushing -> Resident: given up, or cleaned ahead of time (written out, and still mapped).
        (Pulling | Pushing, Resident) => slot_kept_or_given_up,
        // Given back by the program: munmap, MADV_DONTNEED. Or a replica that could not be fetched.
        (Resident | Remote, Absent) => true,
        (Pulling, Absent | Replica) => old.slot().is_none(),
        _ => false,
    }
}

/// Waits until nobody is moving the page. Returns the settled entry as it was seen.
/// Never call it while this very thread is moving the page.
pub fn wait_settled(cell: &AtomicU64) -> Entry {
    let mut round = 0;
    loop {
        let entry = load(cell);
        if entry.is_settled() {
            return entry;
        }
        pause(round);
        round = round.saturating_add(1);
    }
}

/// Claims a dirty page resident on `me` in order to push it to `slot`. Returns the entry before.
///
/// # Errors
/// The entry, if it is not such a page; the slot is still the caller's to free.
pub fn begin_push(cell: &AtomicU64, me: NodeId, slot: SlotRef) -> Result<Entry, Entry> {
    let claim = |old: Entry| {
        let mine = old.is_resident_on(me) && !old.is_clean();
        mine.then(|| old.with_state(State::Pushing).with_slot(slot))
    };
    update(cell, claim).map(|(old, _)| old)
}

/// Claims a clean page resident on `me` in order to drop it. Returns the entry before, whose slot it keeps.
///
/// # Errors
/// The entry, if it is not such a page.
pub fn begin_drop(cell: &AtomicU64, me: NodeId) -> Result<Entry, Entry> {
    let claim = |old: Entry| {
        let mine = old.is_resident_on(me) && old.is_clean();
        mine.then(|| old.with_state(State::Pushing))
    };
    update(cell, claim).map(|(old, _)| old)
}

/// Ends a push or drop: the mapping is gone and the bytes are in the slot. Returns the new entry.
///
/// # Panics
/// If the entry is not Pushing.
pub fn finish_push(cell: &AtomicU64) -> Entry {
    end(cell, State::Pushing, |old| old.with_state(State::Remote).with_clean(false).with_owner(NodeId::HOME))
}

/// Gives a push or drop up: the page is Resident as in `before`, the entry that begin_push or begin_drop returned.
/// A slot that only the push had taken is the caller's to free. Take the write protection away first if it was dirty.
///
/// # Panics
/// If the entry is not Pushing.
pub fn abort_push(cell: &AtomicU64, before: Entry) -> Entry {
    end(cell, State::Pushing, |old| restored(old, before))
}

/// Claims a page in order to bring it to `me`: a Remote one, or one Resident on another node. Returns the entry before,
/// which says where the bytes are: in its slot if it has one, else in the memory of its owner.
///
/// # Errors
/// The entry, if it is no such page: being moved, here already, or nowhere.
pub fn begin_pull(cell: &AtomicU64, me: NodeId) -> Result<Entry, Entry> {
    let claim = |old: Entry| match old.state() {
        State::Remote => Some(old.with_state(State::Pulling).with_clean(true)),
        State::Resident if old.owner() != me => Some(old.with_state(State::Pulling)),
        _ => None,
    };
    update(cell, claim).map(|(old, _)| old)
}

/// Ends a pull: the page is mapped on `me`, write-protected if `keep_slot`. Returns the entry before and the new one.
/// With `keep_slot` the page is CLEAN if it came from a slot. Without, a slot that the entry before held
/// is the caller's to free.
///
/// # Panics
/// If the entry is not Pulling.
pub fn finish_pull(cell: &AtomicU64, me: NodeId, keep_slot: bool) -> (Entry, Entry) {
    let mut before = Entry::ABSENT;
    let new = end(cell, State::Pulling, |old| {
        before = old;
        let here = old.with_state(State::Resident).with_owner(me);
        if keep_slot && old.is_clean() { here } else { here.without_slot() }
    });
    (before, new)
}

/// In the middle of a pull by `me`: the bytes are in the bounce buffer of the thread that pulls, and nowhere else. Returns the entry
/// before: the slot that it held, or the page's place on the owner, may be another page's from now on.
/// Such a pull cannot be given up.
///
/// # Panics
/// If the entry is not Pulling.
pub fn hold_bytes(cell: &AtomicU64, me: NodeId) -> Entry {
    let mut before = Entry::ABSENT;
    end(cell, State::Pulling, |old| {
        before = old;
        old.without_slot().with_owner(me)
    });
    before
}

/// Gives a pull (or the fetch of a replica) up: the page is where `before` says.
///
/// # Panics
/// If the entry is not Pulling.
pub fn abort_pull(cell: &AtomicU64, before: Entry) -> Entry {
    end(cell, State::Pulling, |old| restored(old, before))
}

/// Claims an Absent page in order to fetch a copy of file data from `source`. End with [`finish_replica`] or [`abort_pull`].
///
/// # Errors
/// The entry, if it is not Absent.
pub fn begin_replica(cell: &AtomicU64, source: NodeId) -> Result<Entry, Entry> {
    let claim = |old: Entry| {
        let absent = old.state() == State::Absent;
        absent.then(|| old.with_state(State::Pulling).with_owner(source))
    };
    update(cell, claim).map(|(old, _)| old)
}

/// Ends the fetch of a replica: it is mapped read-only.
///
/// # Panics
/// If the entry is not Pulling.
pub fn finish_replica(cell: &AtomicU64) -> Entry {
    end(cell, State::Pulling, |old| old.with_state(State::Replica).with_owner(NodeId::HOME))
}

/// Claims a clean page resident on `me`, to which the program wants to write. Then take the write protection away, end with
/// [`finish_pull`] without `keep_slot`, and free the slot of the entry returned. Without the claim a push could begin in
/// between, and lose its write protection (the loom model shows it).
///
/// # Errors
/// The entry, if it is not a clean page resident on `me`.
pub fn begin_upgrade(cell: &AtomicU64, me: NodeId) -> Result<Entry, Entry> {
    let claim = |old: Entry| {
        let clean = old.is_resident_on(me) && old.is_clean();
        clean.then(|| old.with_state(State::Pulling))
    };
    update(cell, claim).map(|(old, _)| old)
}

/// Ends the lock state `from`, which the caller holds.
fn end(cell: &AtomicU64, from: State, mut change: impl FnMut(Entry) -> Entry) -> Entry {
    match update(cell, |old| (old.state() == from).then(|| change(old))) {
        Ok((_, new)) => new,
        Err(now) => panic!("the end of a {from:?} that was not begun: the entry is {now:?}"),
    }
}

/// The place of `before` with the flags and the stale mask of `now`.
fn restored(now: Entry, before: Entry) -> Entry {
    before.with_queued(now.queued()).with_noread(now.noread()).with_stale_mask(now.stale_mask())
}
